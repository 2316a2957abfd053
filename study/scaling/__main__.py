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

from lenet.config import ConfigError
from search_spaces.hardware import LAUNCHERS
from study import commandline
from study.api.scaling_job import PLACEMENTS, resumed_scaling, scaling
from study.scaling.plan import TOOL


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
        choices=PLACEMENTS,
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
    if options.resume:
        job = resumed_scaling(
            options.resume,
            oversubscribe=options.oversubscribe,
            address=options.address,
            autoscale=options.autoscale,
            data_dir=options.data_dir,
        )
    else:
        job = scaling(
            "fan-hardware" if options.study is None else options.study,
            workers=_counts(options.workers),
            widths=commandline.names(options.widths),
            weak=options.weak,
            repeats=options.repeats or 1,
            budget=options.budget or "quick",
            settings=commandline.choices(options),
            devices=commandline.names(options.device),
            launchers=commandline.names(options.launchers),
            strategies=commandline.names(options.strategies) or ["ddp"],
            oversubscribe=options.oversubscribe,
            cpus_per_worker=options.cpus_per_worker,
            placement=options.placement,
            address=options.address,
            autoscale=options.autoscale,
            results=options.results,
            storage=options.storage,
            data_dir=options.data_dir,
        )
    return commandline.train(job, TOOL, typed, dry_run=options.dry_run, log=options.log)


def _counts(text: str | None) -> list[int] | None:
    names = commandline.names(text)
    try:
        return None if names is None else [commandline.count(name) for name in names]
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"--workers {text}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
