"""Draw the figures of a finished run again and print what it found.

    python -m study.report results/NAME
    python -m study.report results/NAME --out elsewhere     where NAME cannot be written to
    python -m study.report results/NAME --xlsx              all curves as a spreadsheet, too
    python -m study.report s3://BUCKET/NAME                 a run in a bucket, copied to results/

Needs neither Ray nor torch. Figures and rankings are made from the run's two tables alone;
without them, the tables are collected from the trials first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console

from lenet.config import ConfigError
from study.analysis.results import TRIALS, Results, load_run
from study.commandline import Parser, folder, place
from study.report.spreadsheet import write_spreadsheet
from study.report.summary import summarize
from study.runs.collect import refresh
from study.runs.run_folder import RunFolder
from study.runs.storage import Place, reason


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code (0 done, 2 bad input)."""
    parser = Parser("python -m study.report", __doc__)
    parser.add_argument(
        "directory", type=place, metavar="DIR", help="a run: its folder, s3://... or gs://..."
    )
    parser.add_argument(
        "--out",
        type=folder,
        metavar="DIR2",
        help="where the figures and rankings go (default: DIR)",
    )
    parser.add_argument(
        "--xlsx", action="store_true", help="also write all curves as a spreadsheet, results.xlsx"
    )
    options = parser.parse_args(arguments)
    try:
        console = Console(highlight=False)
        run = _brought_up_to_date(options.directory, console)
        directory = run.path
        summarize(directory, console, options.out)
        if options.xlsx:
            path = (options.out or directory) / "results.xlsx"
            sheets = write_spreadsheet(Results.load(directory), path)
            console.print(f"  curves    {path} ({', '.join(sheets)})", soft_wrap=True)
        if options.out is None:
            _publish(run, console)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        what = error.filename or options.directory
        print(
            f"error: cannot read or write {what} ({reason(error)}): where it cannot be written "
            "to, name another folder with --out",
            file=sys.stderr,
        )
        return 2
    return 0


def _brought_up_to_date(asked: Place, console: Console) -> RunFolder:
    """The run with its tables as its trials are; a copy whose bucket is away, as it was."""
    run = RunFolder(asked)
    if run.is_copy:
        try:
            run = RunFolder.open(asked)
        except ConfigError as error:
            if not (run.path / TRIALS).is_file():
                raise
            console.print(f"[yellow]Note:[/yellow] {error}\nThis is of the copy.", soft_wrap=True)
            return run
    load_run(run.path)
    refresh(run)
    return run


def _publish(run: RunFolder, console: Console) -> None:
    try:
        run.publish()
    except OSError as error:
        console.print(
            f"[yellow]Note:[/yellow] not brought to {run.home} ({reason(error)}).", soft_wrap=True
        )


if __name__ == "__main__":
    sys.exit(main())
