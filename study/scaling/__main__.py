"""Data-parallel training: how many workers are worth it?

    python -m study.scaling                               Fan's hardware study, as far as it fits
    python -m study.scaling --workers 1,2,4 --oversubscribe --repeats 3
    python -m study.scaling --workers 1,2 --widths 1,2,4,8 --weak --repeats 3
    python -m study.scaling upc-gpus --device gpu --workers 1,2,4 --budget paper
    python -m study.scaling --device cpu,gpu              the CPU beside 1, 2, ... GPUs
    python -m study.scaling --resume results/NAME         finish a run that was cut short

Workers are Ray Train's (TorchTrainer); torchrun and a plain process train the same beside them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from lenet.config import ConfigError, nearest
from study import commandline
from study.analysis.speedup import LAUNCHERS
from study.runs.run_folder import RunFolder
from study.scaling.plan import PROCESSORS, TOOL, Scaling, Session, of_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code (0 done, 1 launches failed, 2 bad input, 130 Ctrl-C)."""
    return commandline.run(_parser(), _launch, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what is trained")
    what.add_argument("study", nargs="?", help="fan-hardware (default) or upc-gpus")
    what.add_argument(
        "--workers", metavar="N[,N...]", help="numbers to compare (default: the study's that fit)"
    )
    what.add_argument(
        "--widths", metavar="N[,N...]", help="nets so many times as wide (default: 1)"
    )
    what.add_argument(
        "--weak",
        action="store_true",
        help="weak scaling, too: the batch grows with the workers (strong: it is the same)",
    )
    what.add_argument(
        "--repeats",
        type=commandline.repeats,
        metavar="N",
        help="run everything N times, each with a seed of its own (default 1)",
    )
    commandline.add_budget_and_settings(what)
    commandline.add_places(parser)
    how = parser.add_argument_group("what it runs on")
    how.add_argument(
        "--device", metavar="cpu,gpu", help="either or both (default: gpu if there is one)"
    )
    how.add_argument(
        "--launchers",
        metavar="NAME[,NAME...]",
        help=f"of {', '.join(LAUNCHERS)} (default: all; with --address, ray alone)",
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
        help="CPUs, and so threads, of each worker (default 1)",
    )
    how.add_argument(
        "--placement",
        choices=("pack", "spread"),
        help="on a cluster: workers on few machines (default), or on many",
    )
    commandline.add_cluster(how)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    return parser


def _launch(options: argparse.Namespace, typed: Sequence[str]) -> int:
    command = commandline.line(TOOL, typed)
    console = Console(highlight=False, soft_wrap=True)
    commandline.refuse_with_resume(
        options,
        *("study", "--workers", "--widths", "--weak", "--repeats", "--budget", "--set"),
        *("--results", "--storage", "--device", "--launchers", "--cpus-per-worker", "--placement"),
    )
    address = commandline.address(options)
    counts = devices = None
    if options.resume:
        folder = RunFolder.open(options.resume)
        folder.check_tool(TOOL)
        if not folder.writable:
            raise ConfigError(f"cannot write to {options.resume}: resume it where you may write")
        asked = of_run(folder.run)
    else:
        asked = _asked(options, address)
        if options.placement and not address:
            raise ConfigError("--placement is for a cluster: add --address, or leave it out")
        counts = _counts(options.workers, console) if options.workers else None
        devices = _names(options.device, PROCESSORS, "device") if options.device else None
        folder = RunFolder(commandline.results(options, asked.study, asked.budget))
        folder.check_free()
    from study.scaling import session as scaling

    session = Session(
        asked=asked,
        folder=folder,
        resumed=bool(options.resume),
        data_dir=options.data_dir,
        address=address,
        autoscale=options.autoscale,
        oversubscribe=options.oversubscribe,
        command=command,
        counts=counts,
        devices=devices,
    )
    return scaling.run(session, console, dry_run=options.dry_run)


def _asked(options: argparse.Namespace, address: str | None) -> Scaling:
    """What was typed, as far as it does not depend on the machines."""
    choices = commandline.choices(options.set)
    if "seed" in choices:
        raise ConfigError("seed is not a dimension: use --repeats N, each of which is a seed")
    if options.widths:
        if "width" in choices:
            raise ConfigError("width is set twice: leave out --widths or --set width")
        choices["width"] = _names(options.widths, None, "--widths")
    launchers = _names(options.launchers or ",".join(LAUNCHERS), LAUNCHERS, "launcher")
    if address:
        if options.launchers and launchers != ["ray"]:
            raise ConfigError(
                "torchrun and the plain process run on this machine, not on the cluster: use "
                "--launchers ray, or leave --address out"
            )
        launchers = ["ray"]
    asked = Scaling(
        study=options.study or "fan-hardware",
        budget=options.budget or "quick",
        repeats=options.repeats or 1,
        choices=choices,
        workers={},
        weak=options.weak,
        launchers=launchers,
        cpus_per_worker=options.cpus_per_worker or 1.0,
        placement=options.placement or "pack",
        cpus_beside_gpus=options.cpus_per_worker,
    )
    # A wrong name or value is said before torch, which takes seconds to import.
    asked.of_study().plan(asked.budget, asked.repeats)
    return asked


def _counts(text: str, console: Console) -> list[int]:
    try:
        counts = [commandline.count(part.strip()) for part in text.split(",")]
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"--workers {text}: {error}") from None
    if len(set(counts)) < len(counts):
        raise ConfigError(f"--workers {text} names a number twice")
    if 1 not in counts:
        console.print(
            f"[yellow]Note:[/yellow] 1 is added to --workers {text}: the others are compared with "
            "it."
        )
    return sorted({1, *counts})


def _names(text: str, known: Sequence[str] | None, what: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if known is not None and name not in known:
            raise ConfigError(nearest(name, known, what))
    if len(set(names)) < len(names):
        raise ConfigError(f"{what} {text} names one twice")
    return names


if __name__ == "__main__":
    sys.exit(main())
