"""Measure every speed claim against its baseline, and write the table of docs/performance.md.

    python -m benchmarks                    every row, under 45 minutes on two cores
    python -m benchmarks 4ls-batch-1        these rows only; the others stay as they are
    python -m benchmarks --quick            a smoke test: its numbers mean nothing
    python -m benchmarks --list             the rows and their baselines

Each line is printed and written as soon as it is measured. Other work on the machine slows ours and
the baseline alike, but leave it alone if you can: the load average is in the table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import table
from lenet.config import ConfigError, unknown_name
from study.commandline import Parser, output_folder, run_command

if TYPE_CHECKING:
    import argparse

    from benchmarks.row import Row

_MODULES = ("fleet_rows", "lenet_rows", "command_rows")
_QUICK_FOLDER = Path("results") / "bench-quick"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if a row failed, or 2 for bad input."""
    return run_command(_parser(), _measure, arguments)


def _parser() -> Parser:
    parser = Parser("python -m benchmarks", __doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to measure (default: all)")
    parser.add_argument("--quick", action="store_true", help="take seconds for every row")
    parser.add_argument("--list", action="store_true", help="list the rows and exit")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw the table again")
    parser.add_argument(
        "--out",
        type=output_folder,
        help="folder of table.csv, table.txt and the figures (default: docs/results/bench, which "
        "docs/performance.md shows; with --quick results/bench-quick)",
    )
    return parser


def _measure(options: argparse.Namespace, _: Sequence[str]) -> int:
    rows = _rows()
    if options.list:
        for row in rows.values():
            print(f"{row.name:<18}against {row.baseline}")
        return 0
    for name in options.rows:
        if name not in rows:
            raise ConfigError(unknown_name(name, list(rows), "row"))
    folder = options.out or (_QUICK_FOLDER if options.quick else table.FOLDER)
    chosen = [] if options.draw else [rows[name] for name in options.rows or rows]
    failed = [
        row.name for row in chosen if not table.measure(row, options.quick, folder, list(rows))
    ]
    _draw(folder)
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _rows() -> dict[str, Row]:
    import importlib

    modules = [importlib.import_module(f"benchmarks.{name}") for name in _MODULES]
    return {row.name: row for module in modules for row in module.ROWS}


def _draw(folder: Path) -> None:
    from benchmarks import drawing

    drawing.draw(table.read(folder), folder)
    if folder.resolve() == table.FOLDER:
        drawing.update_page(drawing.PAGE, table.read(folder))


if __name__ == "__main__":
    sys.exit(main())
