"""Search for the best settings with Optuna on Ray Tune, and confirm them with fresh seeds.

    python -m study.search                                LeNet on MNIST, 40 trials by TPE
    python -m study.search --scheduler asha --trials 100 --time-limit 30m
    python -m study.search --set lr=1e-4..1 --set optimizer=adam,sgd --set epochs=10
    python -m study.search --seeds 3                      judge each point by the mean of 3 seeds
    python -m study.search fan --start-from results/GRID  a grid's ranges, its best points first
    python -m study.search --objectives val_accuracy,train_seconds
    python -m study.search --resume results/NAME --trials 200      continue with all trials so far

Optuna's own dashboard shows a search: pip install optuna-dashboard, then
optuna-dashboard sqlite:///results/NAME/optuna.db
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from study import commandline
from study.api.search_job import (
    OBJECTIVES,
    SAMPLERS,
    SCHEDULERS,
    START_POINTS,
    TRIALS,
    resumed_search,
    search,
)
from study.runs.metadata import SEARCH_TOOL as TOOL

_UNITS = {"s": 1, "m": 60, "h": 3600}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (trials failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to search")
    what.add_argument(
        "study",
        nargs="?",
        help="a study that `python -m study` lists (default: search, made for this command), or "
        "your own: FILE.py or package.module:STUDY",
    )
    commandline.add_budget(what)
    commandline.add_precision(what)
    what.add_argument(
        "--seeds",
        type=commandline.repeats,
        metavar="N",
        help="train each point with N seeds, and judge it by their mean (1)",
    )
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUES",
        help="search over VALUE,VALUE or LOW..HIGH, or fix VALUE; repeatable",
    )
    what.add_argument(
        "--objectives",
        metavar="NAME[,NAME]",
        help=f"one of {', '.join(OBJECTIVES)} (default: the study's, or the first), or two for a "
        "Pareto front; also validation_NAME for a metric of your own study",
    )
    how = parser.add_argument_group("how to search")
    how.add_argument("--sampler", choices=SAMPLERS, help="Optuna sampler (default: tpe)")
    how.add_argument("--sampler-seed", type=commandline.whole, metavar="N", help="(default: 0)")
    how.add_argument("--trials", type=commandline.count, metavar="N", help=f"in total ({TRIALS})")
    how.add_argument(
        "--time-limit",
        type=_duration,
        metavar="TIME",
        help="begin no trial after 90 (seconds), 30m or 2h, including waits for machines; "
        "--resume restarts the clock",
    )
    how.add_argument(
        "--scheduler",
        choices=SCHEDULERS,
        help="stops unpromising trials early (default: none)",
    )
    how.add_argument(
        "--start-from",
        type=commandline.existing_folder,
        metavar="DIR",
        help=f"try the {START_POINTS} best points of an earlier run first",
    )
    how.add_argument(
        "--confirm",
        type=_repeats,
        metavar="KxN",
        help="retrain the best K settings with N fresh seeds; 0x0: skip (default: up to five for "
        "eight trials, 5x5 from 40 trials on)",
    )
    how.add_argument(
        "--optuna-storage",
        metavar="URL",
        help="database of the Optuna study, such as postgresql+psycopg://USER@HOST/DATABASE "
        "(default: optuna.db in the run's folder)",
    )
    commandline.add_reuse(how)
    commandline.add_places(parser, keep_models=True)
    commandline.add_resources(parser)
    return parser


def _train(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(
        options,
        "study",
        "--budget",
        "--precision",
        "--seeds",
        "--set",
        "--objectives",
        "--sampler",
        "--sampler-seed",
        "--scheduler",
        "--start-from",
        "--confirm",
        "--keep-models",
        "--pack",
        "--reuse",
    )
    resources = commandline.resource_request(options)
    if options.resume:
        job = resumed_search(
            options.resume,
            trials=options.trials,
            time_limit=options.time_limit,
            optuna_storage=options.optuna_storage,
            data_dir=options.data_dir,
            resources=resources,
        )
    else:
        job = search(
            "search" if options.study is None else options.study,
            trials=options.trials or TRIALS,
            time_limit=options.time_limit,
            budget=options.budget or "quick",
            seeds=options.seeds or 1,
            settings=commandline.choices(options),
            objectives=commandline.names(options.objectives),
            sampler=options.sampler or SAMPLERS[0],
            sampler_seed=options.sampler_seed or 0,
            scheduler=options.scheduler or "none",
            start_from=options.start_from,
            confirm=options.confirm,
            optuna_storage=options.optuna_storage,
            keep_models=options.keep_models or "best",
            pack=options.pack or "auto",
            reuse=options.reuse,
            results=options.results,
            storage=options.storage,
            data_dir=options.data_dir,
            resources=resources,
        )
    return commandline.train(job, TOOL, typed, dry_run=options.dry_run, log=options.log)


def _duration(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text} must be a duration above 0, such as 90 (seconds), 30m or 2h"
        )
    return seconds


def _repeats(text: str) -> tuple[int, int]:
    best, _, seeds = text.partition("x")
    if not (best.isdecimal() and seeds.isdecimal()) or (int(best) == 0) != (int(seeds) == 0):
        raise argparse.ArgumentTypeError(
            f"{text} must be settings x seeds, two numbers of 1 or more such as 5x5, or 0x0 for "
            "no confirmation"
        )
    return int(best), int(seeds)


if __name__ == "__main__":
    sys.exit(main())
