"""Run the grid of a study: every point of its space trained, scheduled by Ray Tune.

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

from rich.console import Console

from study import commandline
from study.request import Question
from study.runs.run_folder import RunFolder

TOOL = "study.grid"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code (0 done, 1 trials failed, 2 bad input, 130 Ctrl-C)."""
    return commandline.run(_parser(), _launch, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what is trained")
    what.add_argument("study", nargs="?", help="a study of `python -m study` (default: fan)")
    commandline.add_question(what)
    what.add_argument(
        "--scheduler",
        choices=("none", "asha"),
        help="asha stops weak trials early; none (default) trains all to the end",
    )
    commandline.add_places(parser)
    commandline.add_machine(parser)
    return parser


def _launch(options: argparse.Namespace, typed: Sequence[str]) -> int:
    command = commandline.line(TOOL, typed)
    commandline.refuse_with_resume(
        options, "study", "--budget", "--seeds", "--set", "--scheduler", "--results", "--storage"
    )
    question = Question(
        study="fan" if options.study is None else options.study,
        budget=options.budget or "quick",
        seeds=options.seeds or 1,
        choices=commandline.choices(options.set),
        scheduler=options.scheduler or "none",
    )
    machine = commandline.machine(options)
    # A wrong name or value is said before torch, which takes seconds to import.
    question.plan()
    if options.resume:
        RunFolder.open(options.resume).check_tool(TOOL)
    from study.tuning import execution
    from study.tuning import plan as launch

    if options.resume:
        started = launch.resumed_launch(options.resume, machine, options.data_dir, command)
    else:
        started = launch.new_launch(
            question,
            machine,
            commandline.results(options, question.study, question.budget),
            options.data_dir,
            command,
            tool=TOOL,
        )
    console = Console(highlight=False, soft_wrap=True)
    return execution.execute(started, console, dry_run=options.dry_run)


if __name__ == "__main__":
    sys.exit(main())
