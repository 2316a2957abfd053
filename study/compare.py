"""Compare runs: the same points side by side, with intervals, and what else differs.

    python -m study.compare results/A results/B
    python -m study.compare results/A results/B results/C    each with the first
    python -m study.compare results/A s3://BUCKET/B --by test_accuracy
    python -m study.compare results/A results/B --out comparison

Points are the same if they agree in the settings that vary within a run. Differences are paired by
seed where both runs have the seeds. Needs neither Ray nor torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lenet.config import ConfigError
from study import commandline
from study.api.comparison import compare
from study.api.run import load
from study.terminal import make_console, print_note

TOOL = "study.compare"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 2 (nothing can be compared) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _compare, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        type=commandline.place,
        metavar="RUN",
        help="two runs or more: a folder, s3://... or gs://...",
    )
    parser.add_argument(
        "--by",
        metavar="QUANTITY",
        help="what to compare, such as test_accuracy, train_seconds or test_accuracy_at_best, at "
        "the record with the best validation accuracy (default: what the first run ranks by)",
    )
    parser.add_argument(
        "--out",
        type=commandline.output_folder,
        metavar="DIR",
        help="also write all tables into this folder, as CSV, Markdown and LaTeX",
    )
    return parser


def _compare(options: argparse.Namespace, _: Sequence[str]) -> int:
    if len(options.runs) < 2:
        raise ConfigError(f"{options.runs[0]} is one run: name two or more")
    console = make_console()
    console.print(f"Reading {', '.join(map(str, options.runs))} ...")
    runs = [load(place, lambda text: print_note(console, text)) for place in options.runs]
    comparison = compare(*runs, by=options.by)
    comparison.print(console)
    if options.out is not None:
        written = comparison.write(options.out)
        console.print(f"Written: {', '.join(map(str, written))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
