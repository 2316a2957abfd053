"""Train data-parallel on several workers, and report what they are worth.

    python -m study.scaling                               Fan's hardware study, as far as it fits
    python -m study.scaling --workers 1,2,4 --oversubscribe --repeats 3
    python -m study.scaling --workers 1,2 --widths 1,2,4,8 --weak --repeats 3
    python -m study.scaling upc-gpus --device gpu --workers 1,2,4 --budget paper
    python -m study.scaling --device cpu,gpu              one CPU worker beside 1, 2, ... GPUs
    python -m study.scaling --strategies ddp,explicit     DDP beside one explicit all-reduce
    python -m study.scaling --resume results/NAME         finish a run that was cut short

Workers are Ray Train's (TorchTrainer) and train with PyTorch's DistributedDataParallel. torchrun
and a plain process train the same for comparison.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

import search_spaces
from lenet.config import ConfigError, unknown_name
from search_spaces.hardware import LAUNCHERS, STRATEGIES
from study import commandline
from study.runs.run_folder import RunFolder
from study.scaling.plan import PROCESSORS, TOOL, ScalingRequest
from study.terminal import make_console, print_note


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (launches failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to train")
    what.add_argument(
        "study",
        nargs="?",
        help="fan-hardware (default), upc-gpus, or your own: FILE.py or package.module:STUDY",
    )
    what.add_argument(
        "--workers",
        metavar="N[,N...]",
        help="worker counts to compare (default: those of the study that fit)",
    )
    what.add_argument(
        "--widths", metavar="N[,N...]", help="also train nets N times as wide (default: 1)"
    )
    what.add_argument(
        "--weak",
        action="store_true",
        help="also scale weakly: the batch grows with the workers (strong: it stays the same)",
    )
    what.add_argument(
        "--repeats",
        type=commandline.repeats,
        metavar="N",
        help="run everything N times, each with its own seed (default: 1)",
    )
    commandline.add_budget_and_settings(what)
    commandline.add_places(parser)
    how = parser.add_argument_group("resources")
    how.add_argument(
        "--device", metavar="cpu,gpu", help="either or both (default: gpu if there is one)"
    )
    how.add_argument(
        "--launchers",
        metavar="NAME[,NAME...]",
        help=f"of {', '.join(LAUNCHERS)} (default: all; with --address, only ray)",
    )
    how.add_argument(
        "--strategies",
        metavar="NAME[,NAME...]",
        help="how workers share a step: ddp (default); explicit (one all-reduce after the "
        "backward pass); dp (nn.DataParallel: several GPUs, one process, no dropout)",
    )
    how.add_argument(
        "--oversubscribe",
        action="store_true",
        help="let CPU workers share CPUs; their numbers are marked",
    )
    how.add_argument(
        "--cpus-per-worker",
        type=commandline.amount,
        metavar="N",
        help="CPUs, and so threads, per worker (default: 1)",
    )
    how.add_argument(
        "--placement",
        choices=("pack", "spread"),
        help="on a cluster: workers on few machines (default), or on many",
    )
    commandline.add_cluster(how)
    commandline.add_dry_run(parser)
    return parser


def _train(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(
        options,
        "study",
        "--workers",
        "--widths",
        "--weak",
        "--repeats",
        "--budget",
        "--precision",
        "--set",
        "--device",
        "--launchers",
        "--strategies",
        "--cpus-per-worker",
        "--placement",
    )
    console = make_console()
    address = commandline.address(options)
    counts = devices = None
    if options.resume:
        folder = RunFolder.open(options.resume)
        folder.check_tool(TOOL)
        if not folder.writable:
            raise ConfigError(
                f"cannot write to {options.resume}: resume the run where you have write access"
            )
        request = ScalingRequest.of_run(folder.run)
    else:
        request = _request(options, address)
        if options.placement and not address:
            raise ConfigError("--placement needs a cluster: add --address, or omit --placement")
        if options.workers is not None:
            counts = _counts(options.workers, console)
        if options.device is not None:
            devices = _names(options.device, PROCESSORS, "device")
        folder = RunFolder(commandline.new_place(options, request.study, request.budget))
        folder.check_free()
    with commandline.loading(request.study):
        from study.pipeline import train_and_report
        from study.report.declared import check_declared
        from study.scaling.session import ScalingEngine, ScalingSession

    if not options.resume:  # its report says what it lacks of the user's own kinds
        check_declared(search_spaces.find(request.study))
    session = ScalingSession(
        request=request,
        folder=folder,
        resumed=bool(options.resume),
        data_dir=options.data_dir,
        address=address,
        autoscale=options.autoscale,
        oversubscribe=options.oversubscribe,
        command=commandline.command_text(TOOL, typed),
        counts=counts,
        devices=devices,
    )
    engine = ScalingEngine(session, console)
    return train_and_report(engine, console, dry_run=options.dry_run, trackers=options.log)


def _request(options: argparse.Namespace, address: str | None) -> ScalingRequest:
    """Read the options that do not depend on the machines."""
    choices = commandline.choices(options)
    if "seed" in choices:
        raise ConfigError("seed is not a dimension: use --repeats N, each repeat is a seed")
    if options.widths is not None:
        if "width" in choices:
            raise ConfigError("width is set twice: omit --widths or --set width")
        choices["width"] = _names(options.widths, None, "--widths")
    launchers = list(LAUNCHERS)
    if options.launchers is not None:
        launchers = _names(options.launchers, LAUNCHERS, "launcher")
    if address:
        if options.launchers is not None and launchers != ["ray"]:
            raise ConfigError(
                "torchrun and plain processes run on this machine, not on the cluster: use "
                "--launchers ray, or omit --address"
            )
        launchers = ["ray"]
    strategies = ["ddp"]
    if options.strategies is not None:
        strategies = _names(options.strategies, STRATEGIES, "strategy")
    if address and "dp" in strategies:
        raise ConfigError(
            "--strategies dp trains in one process on this machine, not on the cluster: use ddp or "
            "explicit, or omit --address"
        )
    request = ScalingRequest(
        study=commandline.study_name(options.study, "fan-hardware"),
        budget=options.budget or "quick",
        repeats=options.repeats or 1,
        choices=choices,
        workers={},
        weak=options.weak,
        launchers=launchers,
        strategies=strategies,
        cpus_per_worker=options.cpus_per_worker or 1.0,
        placement=options.placement or "pack",
        cpus_beside_gpus=options.cpus_per_worker,
    )
    # Reports a wrong name or value before torch, which takes seconds to import.
    request.restricted_study().plan(request.budget, request.repeats)
    return request


def _counts(text: str, console: Console) -> list[int]:
    try:
        counts = [commandline.count(part.strip()) for part in text.split(",")]
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"--workers {text}: {error}") from None
    if len(set(counts)) < len(counts):
        raise ConfigError(f"--workers {text} repeats a number")
    if 1 not in counts:
        print_note(console, f"Adding 1 to --workers {text}, the baseline of every comparison.")
    return sorted({1, *counts})


def _names(text: str, known: Sequence[str] | None, what: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if known is not None and name not in known:
            raise ConfigError(unknown_name(name, known, what))
    if len(set(names)) < len(names):
        raise ConfigError(f"{what} {text} repeats a value")
    return names


if __name__ == "__main__":
    sys.exit(main())
