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
from study.analysis.results import Results
from study.commandline import Parser, folder, place
from study.report.spreadsheet import write_spreadsheet
from study.report.summary import summarize
from study.runtime.places import Bucket
from study.runtime.storage import RunFolder


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
        directory, copied = options.directory, isinstance(options.directory, Bucket)
        if copied:
            directory = RunFolder.open(options.directory).path
        summarize(directory, console, options.out)
        if options.xlsx:
            path = (options.out or directory) / "results.xlsx"
            sheets = write_spreadsheet(Results.load(directory), path)
            console.print(f"  curves    {path} ({', '.join(sheets)})", soft_wrap=True)
        if copied and options.out is None:
            RunFolder(directory).publish()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"error: cannot write {error.filename} ({error.strerror}): "
            "name another folder with --out",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
