"""Shared parts of the commands: options, types of their values, and one-line errors."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lenet.config import ConfigError
from lenet.registry import PRECISIONS
from search_spaces.declaration import BUDGETS
from study.api import places
from study.api.job import Job
from study.interruption import ignore_further_signals, treat_signals_as_ctrl_c
from study.os_errors import StorageFailed, cannot_print, describe
from study.request import KEPT_MODELS, MAX_SEEDS, HardwareRequest, ResourceRequest
from study.runs.retrying import patience
from study.runs.storage import Location
from study.terminal import flush_stdout, make_console, print_any_text, print_error, wrap
from study.tracking.tracker import PACKAGES, check_usable

_Parsed = TypeVar("_Parsed")
_COMMENT = re.compile(r"^(.*?\S) {2,}(?=[a-zA-Z])(.*)$")
"""An example: a command, spaces, and what it is for."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose texts come from a module's docstring.

    The first paragraph describes the command, the rest follows the options.
    """

    def __init__(self, prog: str, documentation: str | None, **more: Any) -> None:
        description, _, epilog = (documentation or "").partition("\n\n")
        super().__init__(
            prog=prog,
            description=_fit(description),
            epilog=_fit(epilog),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **more,
        )

    def error(self, message: str) -> NoReturn:
        """Exit with one line, without argparse's usage."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def _fit(text: str) -> str:
    """Fit the paragraphs of a docstring into the terminal; a comment moves below its command."""
    width = shutil.get_terminal_size().columns
    paragraphs = []
    for paragraph in text.strip("\n").split("\n\n"):
        if paragraph.startswith(" "):
            lines = [
                line if len(line) <= width else _COMMENT.sub(r"\1\n        # \2", line)
                for line in paragraph.split("\n")
            ]
            paragraphs.append(wrap("\n".join(lines), width))
        else:
            paragraphs.append(wrap(" ".join(paragraph.split("\n")), width))
    return "\n\n".join(paragraphs)


def add_budget(group: argparse._ArgumentGroup) -> None:
    """Add `--budget`."""
    group.add_argument(
        "--budget", choices=BUDGETS, help="how long each trial trains (default: quick)"
    )


def add_precision(group: argparse._ArgumentGroup) -> None:
    """Add `--precision`."""
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="number format of a training step's products; weights and evaluation stay in fp32 "
        "(default: fp32)",
    )


def add_request(group: argparse._ArgumentGroup, seeds: int = 1) -> None:
    """Add `--seeds`, `--budget`, `--precision` and `--set`."""
    group.add_argument(
        "--seeds", type=repeats, metavar="N", help=f"train every point with N seeds ({seeds})"
    )
    add_budget_and_settings(group)


def add_budget_and_settings(group: argparse._ArgumentGroup) -> None:
    """Add `--budget`, `--precision` and `--set`."""
    add_budget(group)
    add_precision(group)
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE[,VALUE...]",
        help="replace the values of a dimension or a fixed setting; repeatable; a trial ends at "
        "whichever of epochs and steps comes first, and `none` lifts one of them",
    )


def add_places(parser: argparse.ArgumentParser, *, keep_models: bool = False) -> None:
    """Add the options for folders, buckets and trackers, and `--keep-models` if wanted."""
    where = parser.add_argument_group("data and results")
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
        help="parent of all runs; this one gets a name of its own in it (default: results)",
    )
    where.add_argument("--resume", type=place, metavar="PLACE", help="finish the run in PLACE")
    add_log(where)
    if keep_models:
        where.add_argument(
            "--keep-models",
            choices=KEPT_MODELS,
            help="keep the trained model of the best trial (default), of every trial that ends by "
            "itself, or of none",
        )


def add_log(group: argparse._ActionsContainer) -> None:
    """Add `--log`."""
    group.add_argument(
        "--log",
        type=tracker,
        choices=PACKAGES,
        action="append",
        default=[],
        help="also log every complete trial to MLflow or Weights & Biases; repeatable",
    )


def add_reuse(group: argparse._ArgumentGroup) -> None:
    """Add `--reuse`."""
    group.add_argument(
        "--reuse",
        type=existing_folder,
        action="append",
        default=[],
        metavar="DIR",
        help="take over the trials of equal config that the run in DIR has trained, or the runs in "
        "the folders inside DIR; repeatable",
    )


def add_resources(parser: argparse.ArgumentParser) -> None:
    """Add the options for the resources of trials, `--pack`, and `--dry-run`."""
    how = parser.add_argument_group("resources")
    how.add_argument(
        "--cpus-per-trial", type=amount, metavar="N", help="CPUs, and so threads, per trial (1)"
    )
    how.add_argument(
        "--gpus-per-trial",
        type=share,
        metavar="N",
        help="may be a fraction such as 0.25, or 0 to train on the CPU (default: as many trials "
        "per GPU as keep GPUs and CPUs busy)",
    )
    how.add_argument(
        "--max-concurrent",
        type=count,
        metavar="N",
        help="limit of trials at once (default: as many as fit)",
    )
    how.add_argument(
        "--pack",
        type=packing,
        metavar="auto|off|N",
        help="train trials of one architecture and batch size as fleets, up to N as one "
        "(default: auto, as many as is fastest on this machine; off: each alone)",
    )
    add_cluster(how)
    add_dry_run(parser)


def add_hardware(parser: argparse.ArgumentParser) -> None:
    """Add the options for the comparison of hardware that `--dry-run` prints."""
    where = parser.add_argument_group("where to put the hardware, with --dry-run")
    where.add_argument(
        "--scaling",
        type=existing_folder,
        metavar="RUN",
        help="predict by this run of study.scaling what several workers for each trial are worth",
    )
    where.add_argument(
        "--cores", type=count, metavar="N", help="predict for a machine with N CPU cores"
    )
    where.add_argument("--gpus", type=count, metavar="N", help="predict for a machine with N GPUs")


def hardware_request(options: argparse.Namespace) -> HardwareRequest:
    """Read the options of `add_hardware`."""
    scaling = None if options.scaling is None else str(options.scaling)
    return HardwareRequest(scaling=scaling, cores=options.cores, gpus=options.gpus)


def add_cluster(group: argparse._ArgumentGroup) -> None:
    """Add `--address` and `--autoscale`."""
    group.add_argument(
        "--address", help="of a Ray cluster (default: RAY_ADDRESS, else a local Ray)"
    )
    group.add_argument(
        "--autoscale",
        action="store_true",
        help="wait until the cluster adds the machines that are missing",
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add `--dry-run`."""
    parser.add_argument("--dry-run", action="store_true", help="print the plan and exit")


def resource_request(options: argparse.Namespace) -> ResourceRequest:
    """Read the options of `add_resources`."""
    return ResourceRequest(
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        max_concurrent=options.max_concurrent,
        address=options.address,
        autoscale=options.autoscale,
    )


def choices(options: argparse.Namespace) -> dict[str, list[str]]:
    """Parse the arguments of `--set` and `--precision` into values by setting.

    Raises: ConfigError if an argument is not an assignment.
    """
    chosen: dict[str, list[str]] = {}
    precision = [f"precision={options.precision}"] if options.precision else []
    for text in (*options.set, *precision):
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not values:
            raise ConfigError(f"--set {text!r} sets nothing: type --set SETTING=VALUE[,VALUE...]")
        if name in chosen:
            raise ConfigError(f"{name} is set twice: type --set {name}=VALUE,VALUE")
        chosen[name] = [value.strip() for value in values.split(",")]
        if "" in chosen[name]:
            raise ConfigError(f"--set {text} has an extra comma: type --set {name}=VALUE,VALUE")
    return chosen


def is_given(options: argparse.Namespace, option: str) -> bool:
    """Return whether the user typed `option`. A typed 0 counts."""
    value = getattr(options, option.strip("-").replace("-", "_"))
    return value is not None and value is not False and value != []


def refuse_with_resume(options: argparse.Namespace, *settled: str) -> None:
    """Raise `ConfigError` if `--resume` comes with an option that the run has `settled`.

    `--results` and `--storage` are settled by every run, and exclude each other.
    """
    if options.results and options.storage:
        raise ConfigError(
            "--results names the place of this run and --storage the parent of all runs: use one"
        )
    for option in (*settled, "--results", "--storage"):
        if options.resume and is_given(options, option):
            typed = option if option.startswith("-") else shlex.quote(getattr(options, option))
            raise ConfigError(
                f"--resume finishes a run with the options it began with: omit {typed}, or start "
                "a new run"
            )


def train(
    job: Job, tool: str, typed: Sequence[str], *, dry_run: bool, log: Sequence[str] = ()
) -> int:
    """Train what the command `tool` requests, or only print the plan. Return the exit code."""
    job = job.with_command(["python", "-m", tool, *typed])
    try:
        return job.train(make_console(), dry_run=dry_run, log=log).value
    except StorageFailed:  # its message has been printed
        return 1


def run_command(
    parser: Parser,
    command: Callable[[argparse.Namespace, Sequence[str]], int],
    arguments: Sequence[str] | None,
) -> int:
    """Run `command` and return its exit code: 2 for bad input, 130 for Ctrl-C before training.

    `command` gets the options, parsed and as typed. `arguments` replaces `sys.argv` if given.
    """
    print_any_text()
    try:
        code = _run(parser, command, list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # at any time, also while an error is printed
        ignore_further_signals()
        print("Interrupted; nothing is lost.", file=sys.stderr)
        code = 130
    if (error := flush_stdout()) is None or isinstance(error, BrokenPipeError):
        return code
    print_error(cannot_print(error))
    return code or 1


def _run(
    parser: Parser,
    command: Callable[[argparse.Namespace, Sequence[str]], int],
    typed: Sequence[str],
) -> int:
    treat_signals_as_ctrl_c()
    try:
        options = parser.parse_args(typed)
        patience()  # raises `ConfigError` if its environment variable is malformed
        return command(options, typed)
    except ConfigError as error:
        print_error(str(error))
        return 2
    except OSError as error:
        print_error(describe(error, ""))
        return 2


def names(text: str | None) -> list[str] | None:
    """Split a comma-separated list; spaces around its commas do not count."""
    return None if text is None else [part.strip() for part in text.split(",")]


def _parsed(parse: Callable[[str], _Parsed], text: str) -> _Parsed:
    """Return `parse(text)`, with a `ConfigError` as the error that argparse prints."""
    try:
        return parse(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def folder(text: str) -> Path:
    """Parse the path of a folder on this machine, which may not exist."""
    return _parsed(places.folder, text)


def output_folder(text: str) -> Path:
    """Parse the path of a folder that may not exist yet."""
    path = folder(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file: name a folder")
    return path


def place(text: str) -> Location:
    """Parse a path or the URL of a folder in a bucket."""
    return _parsed(places.location, text)


def tracker(text: str) -> str:
    """Parse the name of a tracker whose library is installed."""
    _parsed(check_usable, text)
    return text


def existing_folder(text: str) -> Path:
    """Parse the path of an existing folder."""
    return _parsed(places.existing_folder, text)


def existing_file(text: str) -> Path:
    """Parse the path of an existing file."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file: name an existing one")
    return path


def amount(text: str) -> float:
    """Parse a number of at least 0.01, the finest share of a machine."""
    value = share(text)
    if value < 0.01:
        raise argparse.ArgumentTypeError(f"{text} must be 0.01 or more")
    return value


def share(text: str) -> float:
    """Parse a finite number, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a number, 0 or more")
    return value


def whole(text: str) -> int:
    """Parse a whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} must be a whole number, 0 or more")
    return int(text)


def repeats(text: str) -> int:
    """Parse a number of seeds. The upper limit catches typing errors."""
    number = count(text)
    if number > MAX_SEEDS:
        raise argparse.ArgumentTypeError(f"{text} must be {MAX_SEEDS:,} or less")
    return number


def packing(text: str) -> str:
    """Parse `auto`, `off` or a number of members, 2 or more."""
    if text in ("auto", "off") or (text.isdecimal() and int(text) >= 2):
        return text
    raise argparse.ArgumentTypeError(
        f"{text} must be auto, off (each trial alone), or a number of trials, 2 or more"
    )


def count(text: str) -> int:
    """Parse a whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number, 1 or more")
    return int(text)
