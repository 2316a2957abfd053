"""Train every point of a study's grid, scheduled by Ray Tune.

    python -m study.grid                          Fan's study, minutes on two cores
    python -m study.grid --budget paper --seeds 3 as published, with intervals
    python -m study.grid --set lr=0.3,0.1 --set optimizer=sgd --set epochs=3
    python -m study.grid --grids large-rates      a grid that goes beyond the report
    python -m study.grid --resume results/NAME    finish a run that was cut short

`python -m study` lists the studies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from study import commandline
from study.api.grid_job import SCHEDULERS, grid, resumed_grid
from study.runs.metadata import GRID_TOOL as TOOL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (trials failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to train")
    what.add_argument(
        "study",
        nargs="?",
        help="a study that `python -m study` lists (fan), or your own: FILE.py or "
        "package.module:STUDY",
    )
    what.add_argument(
        "--grids",
        metavar="NAME[,NAME...]",
        help="train these grids of the study, which `python -m study NAME` lists",
    )
    commandline.add_request(what)
    what.add_argument(
        "--scheduler",
        choices=SCHEDULERS,
        help="asha stops unpromising trials early; none (default) trains all to the end",
    )
    commandline.add_reuse(what)
    commandline.add_places(parser, keep_models=True)
    commandline.add_resources(parser)
    commandline.add_hardware(parser)
    return parser


def _train(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(
        options,
        "study",
        "--grids",
        "--budget",
        "--precision",
        "--seeds",
        "--set",
        "--scheduler",
        "--keep-models",
        "--pack",
        "--reuse",
        "--scaling",
        "--cores",
        "--gpus",
    )
    resources = commandline.resource_request(options)
    if options.resume:
        job = resumed_grid(options.resume, data_dir=options.data_dir, resources=resources)
    else:
        job = grid(
            "fan" if options.study is None else options.study,
            grids=commandline.names(options.grids) or (),
            budget=options.budget or "quick",
            seeds=options.seeds or 1,
            settings=commandline.choices(options),
            scheduler=options.scheduler or "none",
            keep_models=options.keep_models or "best",
            pack=options.pack or "auto",
            reuse=options.reuse,
            results=options.results,
            storage=options.storage,
            data_dir=options.data_dir,
            resources=resources,
            hardware=commandline.hardware_request(options),
        )
    return commandline.train(job, TOOL, typed, dry_run=options.dry_run, log=options.log)


if __name__ == "__main__":
    sys.exit(main())
