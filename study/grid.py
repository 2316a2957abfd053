"""Run the grid of a study: every point of its space trained, scheduled by Ray Tune.

    python -m study.grid                          Fan's study, minutes on two cores
    python -m study.grid --budget paper --seeds 3 as published, with intervals
    python -m study.grid --set lr=0.3,0.1 --set optimizer=sgd --set epochs=3
    python -m study.grid --resume results/NAME    finish a run that was cut short

`python -m study` lists the studies.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console

from lenet.config import ConfigError
from search_spaces.study import BUDGETS
from study.commandline import Parser, amount, count, existing_folder, folder, share
from study.runtime.request import Machine, Question
from study.runtime.storage import RunFolder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code (0 done, 1 trials failed, 2 bad input, 130 Ctrl-C)."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(typed, argparse.Namespace(typed=typed))
    console = Console(highlight=False, soft_wrap=True)
    try:
        return _launch(options, console)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted before the first trial; nothing is lost.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = Parser("python -m study.grid", __doc__)
    what = parser.add_argument_group("what is trained")
    what.add_argument("study", nargs="?", help="a study of `python -m study` (default: fan)")
    what.add_argument("--budget", choices=BUDGETS, help="how much (default: quick)")
    what.add_argument("--seeds", type=count, metavar="N", help="repeats of every point (1)")
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE[,VALUE...]",
        help="replace a dimension's values or a fixed setting; can be repeated",
    )
    what.add_argument(
        "--scheduler",
        choices=("none", "asha"),
        help="asha stops weak trials early; none (default) trains all to the end",
    )
    where = parser.add_argument_group("where the data are and the results go")
    where.add_argument("--data-dir", type=existing_folder, help="folder of the data sets")
    where.add_argument("--results", type=folder, help="folder of this run (default: results/...)")
    where.add_argument("--resume", type=folder, metavar="DIR", help="finish the run in DIR")
    how = parser.add_argument_group("what it runs on")
    how.add_argument("--cpus-per-trial", type=amount, metavar="N", help="and threads (1)")
    how.add_argument(
        "--gpus-per-trial",
        type=share,
        metavar="N",
        help="may be a fraction, such as 0.25, or 0 to train on the CPU (default: none "
        "without GPUs, else shared to keep GPUs and CPUs busy)",
    )
    how.add_argument("--max-concurrent", type=count, metavar="N", help="trials at once")
    how.add_argument("--address", help="a Ray cluster (default: RAY_ADDRESS, else this machine)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    return parser


def _launch(options: argparse.Namespace, console: Console) -> int:
    command = shlex.join(["python", "-m", "study.grid", *options.typed])
    if options.resume:
        settled = ("study", "--budget", "--seeds", "--set", "--scheduler", "--results")
        for name in settled:
            if getattr(options, name.strip("-")):
                raise ConfigError(
                    f"--resume finishes a run as it began: leave out {name}, or start a new run"
                )
    question = Question(
        study="fan" if options.study is None else options.study,
        budget=options.budget or "quick",
        seeds=options.seeds or 1,
        choices=_choices(options.set),
        scheduler=options.scheduler or "none",
    )
    machine = Machine(
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        max_concurrent=options.max_concurrent,
        address=options.address or os.environ.get("RAY_ADDRESS"),
    )
    # A wrong name or value is said before torch, which takes seconds to import.
    question.plan()
    if options.resume:
        RunFolder.open(options.resume)
    from study.runtime import launch

    if options.resume:
        started = launch.resumed_launch(options.resume, machine, options.data_dir, command)
    else:
        started = launch.new_launch(question, machine, options.results, options.data_dir, command)
    return launch.execute(started, console, dry_run=options.dry_run)


def _choices(given: Sequence[str]) -> dict[str, list[str]]:
    """`--set` arguments by setting; raises `ConfigError` where one is no assignment."""
    choices: dict[str, list[str]] = {}
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not values:
            raise ConfigError(f"--set {text!r} sets nothing: type --set SETTING=VALUE[,VALUE...]")
        if name in choices:
            raise ConfigError(f"{name} is set twice: type --set {name}=VALUE,VALUE")
        choices[name] = [value.strip() for value in values.split(",")]
        if "" in choices[name]:
            raise ConfigError(f"--set {text} has a comma too many: type --set {name}=VALUE,VALUE")
    return choices


if __name__ == "__main__":
    sys.exit(main())
