"""Train every point of a study's grid, scheduled by Ray Tune.

    python -m study.grid                          Fan's study, minutes on two cores
    python -m study.grid --budget paper --seeds 3 as published, with intervals
    python -m study.grid --set lr=0.3,0.1 --set optimizer=sgd --set epochs=3
    python -m study.grid --resume results/NAME    finish a run that was cut short

`python -m study` lists the studies.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from study import commandline
from study.request import Options, Request
from study.runs.run_folder import RunFolder

TOOL = "study.grid"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (trials failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to train")
    what.add_argument("study", nargs="?", help="a study that `python -m study` lists (fan)")
    commandline.add_request(what)
    what.add_argument(
        "--scheduler",
        choices=("none", "asha"),
        help="asha stops unpromising trials early; none (default) trains all to the end",
    )
    commandline.add_places(parser)
    commandline.add_resources(parser)
    return parser


def _train(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(options, "study", "--budget", "--seeds", "--set", "--scheduler")
    if options.resume:
        run = RunFolder.open(options.resume)
        run.check_tool(TOOL)
        request = Request.of_run(run.run)
    else:
        request = Request(
            study="fan" if options.study is None else options.study,
            budget=options.budget or "quick",
            seeds=options.seeds or 1,
            choices=commandline.choices(options.set),
            scheduler=options.scheduler or "none",
        )
        request.plan()  # reports a wrong name or value before torch, which takes seconds to import
    resources = commandline.resource_request(options)
    from study.pipeline import tune

    return tune(
        options, typed, tool=TOOL, request=request, resources=resources, command_options=Options()
    )


if __name__ == "__main__":
    sys.exit(main())
