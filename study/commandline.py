"""What the commands share: their options, one line for an error, and kinds of numbers."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lenet.config import ConfigError
from search_spaces.study import BUDGETS
from study.interruption import end_as_by_ctrl_c
from study.request import Machine
from study.runs.run_folder import default_name
from study.runs.storage import Place, patience, place_of, reason

_MOST_SEEDS = 1_000


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` of a module's docstring: its first paragraph describes the command,
    the rest follows its options."""

    def __init__(self, prog: str, documentation: str | None, **more: Any) -> None:
        description, _, epilog = (documentation or "").partition("\n\n")
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **more,
        )

    def error(self, message: str) -> NoReturn:
        """One line, where argparse prints its usage first."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def add_budget(group: argparse._ArgumentGroup) -> None:
    """How much a trial is trained."""
    group.add_argument("--budget", choices=BUDGETS, help="how much (default: quick)")


def add_question(group: argparse._ArgumentGroup, seeds: int = 1) -> None:
    """How much is trained, with how many seeds, and what is changed in it."""
    group.add_argument(
        "--seeds", type=repeats, metavar="N", help=f"repeats of every point ({seeds})"
    )
    add_budget_and_settings(group)


def add_budget_and_settings(group: argparse._ArgumentGroup) -> None:
    """How much is trained, and what is changed in it."""
    add_budget(group)
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE[,VALUE...]",
        help="replace a dimension's values or a fixed setting; can be repeated",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where things are on disk."""
    where = parser.add_argument_group("where the data are and the results go")
    where.add_argument("--data-dir", type=existing_folder, help="folder of the data sets")
    where.add_argument(
        "--results",
        type=place,
        metavar="PLACE",
        help="of this run: a folder, s3://BUCKET/NAME or gs://BUCKET/NAME (default: results/...)",
    )
    where.add_argument(
        "--storage",
        type=place,
        metavar="PLACE",
        help="of all runs, in which this one gets a name of its own (default: results)",
    )
    where.add_argument("--resume", type=place, metavar="PLACE", help="finish the run there")


def add_machine(parser: argparse.ArgumentParser) -> None:
    """What trials run on."""
    how = parser.add_argument_group("what it runs on")
    how.add_argument("--cpus-per-trial", type=amount, metavar="N", help="and threads (1)")
    how.add_argument(
        "--gpus-per-trial",
        type=share,
        metavar="N",
        help="may be a fraction, such as 0.25, or 0 to train on the CPU (default: none "
        "without GPUs, else shared to keep GPUs and CPUs busy)",
    )
    how.add_argument(
        "--max-concurrent",
        type=count,
        metavar="N",
        help="trials at once (default: as many as there is room for)",
    )
    add_cluster(how)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")


def add_cluster(group: argparse._ArgumentGroup) -> None:
    """Which Ray it runs on."""
    group.add_argument("--address", help="a Ray cluster (default: RAY_ADDRESS, else this machine)")
    group.add_argument(
        "--autoscale",
        action="store_true",
        help="do not refuse what the cluster has no room for yet: wait until it adds machines",
    )


def address(options: argparse.Namespace) -> str | None:
    """That of the cluster, or None for this machine; raises `ConfigError` if that should grow."""
    found = options.address or os.environ.get("RAY_ADDRESS")
    if options.autoscale and not found:
        raise ConfigError("--autoscale is of a cluster: name it with --address, or leave it out")
    return found


def results(options: argparse.Namespace, study: str, budget: str) -> Place:
    """Where a new run goes."""
    if options.results:
        return options.results
    return (options.storage or Path("results")) / default_name(study, budget)


def machine(options: argparse.Namespace) -> Machine:
    """What `add_machine` was given."""
    return Machine(
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        max_concurrent=options.max_concurrent,
        address=address(options),
        autoscale=options.autoscale,
    )


def choices(given: Sequence[str]) -> dict[str, list[str]]:
    """`--set` arguments by setting; raises `ConfigError` where one is no assignment."""
    chosen: dict[str, list[str]] = {}
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not values:
            raise ConfigError(f"--set {text!r} sets nothing: type --set SETTING=VALUE[,VALUE...]")
        if name in chosen:
            raise ConfigError(f"{name} is set twice: type --set {name}=VALUE,VALUE")
        chosen[name] = [value.strip() for value in values.split(",")]
        if "" in chosen[name]:
            raise ConfigError(f"--set {text} has a comma too many: type --set {name}=VALUE,VALUE")
    return chosen


def refuse_with_resume(options: argparse.Namespace, *settled: str) -> None:
    """Raise `ConfigError` if one of the options `settled` was given with `--resume`, or two places
    for one run."""
    if options.results and options.storage:
        raise ConfigError(
            "--results names this run's place and --storage that of all runs: leave one out"
        )
    for name in settled:
        if options.resume and getattr(options, name.strip("-").replace("-", "_")):
            raise ConfigError(
                f"--resume finishes a run as it began: leave out {name}, or start a new run"
            )


def line(tool: str, typed: Sequence[str]) -> str:
    """A command as one types it."""
    return shlex.join(["python", "-m", tool, *typed])


def run(
    parser: Parser,
    command: Callable[[argparse.Namespace, Sequence[str]], int],
    arguments: Sequence[str] | None,
) -> int:
    """The exit code of a command that trains: its own, 2 with one line for bad input, 130 for
    Ctrl-C before anything was trained.

    `command` is called with what was typed, parsed and as it is; `arguments` stands for
    `sys.argv` if it is given.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    end_as_by_ctrl_c()
    try:
        options = parser.parse_args(typed)
        patience()  # raises `ConfigError` if its setting is no number
        return command(options, typed)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{reason(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted before the first trial; nothing is lost.", file=sys.stderr)
        return 130


def folder(text: str) -> Path:
    """A path; the empty one would be the folder one happens to be in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty path names no folder")
    return Path(text)


def place(text: str) -> Place:
    """A path, or a folder in a bucket."""
    try:
        return place_of(str(folder(text)) if "://" not in text else text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def existing_folder(text: str) -> Path:
    """A path where a folder is."""
    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"{text} is no folder of this machine: type python -m study.report {text}, and give "
            "the folder that it names"
        )
    path = folder(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder: name one that is there")
    return path


def amount(text: str) -> float:
    """A number of at least a hundredth, which is as fine as shares of a machine need to be."""
    value = share(text)
    if value < 0.01:
        raise argparse.ArgumentTypeError(f"{text} must be 0.01 or more")
    return value


def share(text: str) -> float:
    """A number, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a number, 0 or more")
    return value


def whole(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} must be a whole number, 0 or more")
    return int(text)


def repeats(text: str) -> int:
    """A whole number, 1 or more, and no more than anybody has the time for."""
    number = count(text)
    if number > _MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{text} must be {_MOST_SEEDS:,} or less")
    return number


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number, 1 or more")
    return int(text)
