"""Report a finished run again: its figures, tables, rankings and verdicts.

    python -m study.report results/NAME
    python -m study.report results/NAME --out elsewhere     if NAME is read-only
    python -m study.report results/NAME --xlsx              also all curves as a spreadsheet
    python -m study.report s3://BUCKET/NAME                 a run in a bucket, copied to results/

Needs neither Ray nor torch. Reads only the run's two tables, `records` and `trials`. If they are
missing, they are collected from the trials first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from lenet.config import ConfigError
from study import commandline
from study.analysis.results import Results, load_run
from study.report.spreadsheet import write_spreadsheet
from study.report.summary import summarize
from study.runs import layout
from study.runs.collect import refresh
from study.runs.run_folder import RunFolder
from study.runs.storage import Location, reason
from study.terminal import make_console, print_note


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _report, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser("python -m study.report", __doc__)
    parser.add_argument(
        "directory",
        type=commandline.place,
        metavar="DIR",
        help="a run: a folder, s3://... or gs://...",
    )
    parser.add_argument(
        "--out",
        type=commandline.folder,
        metavar="DIR2",
        help="folder for the figures, tables and rankings (default: DIR)",
    )
    parser.add_argument(
        "--xlsx",
        action="store_true",
        help=f"also write all curves as a spreadsheet, {layout.SPREADSHEET}",
    )
    return parser


def _report(options: argparse.Namespace, _: Sequence[str]) -> int:
    console = make_console()
    try:
        run = _refreshed(options.directory, console)
        summarize(run.path, console, options.out)
        if options.xlsx:
            path = (options.out or run.path) / layout.SPREADSHEET
            sheets = write_spreadsheet(Results.load(run.path), path)
            console.print(f"  curves    {path} ({', '.join(sheets)})")
    except OSError as error:
        file = error.filename or options.directory
        raise ConfigError(
            f"cannot read or write {file} ({reason(error)}): if it is read-only, name another "
            "folder with --out"
        ) from error
    if options.out is None:
        _publish(run, console)
    return 0


def _refreshed(place: Location, console: Console) -> RunFolder:
    """Open the run and bring its tables up to date; use the copy if the bucket is unreachable."""
    run = RunFolder(place)
    if run.is_copy:
        try:
            run = RunFolder.open(place)
        except ConfigError as error:
            if not (run.path / layout.TRIALS_TABLE).is_file():
                raise
            print_note(console, f"{error}\nReporting the local copy.")
            return run
    load_run(run.path)
    refresh(run)
    return run


def _publish(run: RunFolder, console: Console) -> None:
    try:
        run.publish()
    except OSError as error:
        print_note(console, f"Not uploaded to {run.home} ({reason(error)}).")


if __name__ == "__main__":
    sys.exit(main())
