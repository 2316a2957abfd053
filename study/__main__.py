"""List the commands and the studies, or describe one study.

    python -m study         list them
    python -m study NAME    describe a study

Your own study is named by its file: FILE.py.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

import search_spaces
from search_spaces.declaration import BUDGETS
from search_spaces.study import Study
from study import commandline
from study.terminal import make_console

COMMANDS = {
    "study.grid": "train every point of a study's grid on Ray Tune",
    "study.lr_range": "find a learning rate with the range test, and verify it",
    "study.search": "search for the best settings with Optuna, and confirm them",
    "study.scaling": "train data-parallel on several workers, and report what they are worth",
    "study.reproduce": "train as published, and judge every claim",
    "study.compare": "compare runs: the same points side by side, and what else differs",
    "study.report": "report a finished run again: figures, tables, verdicts",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both lists, or one study; return 0 (done) or 2 (bad input)."""
    return commandline.run_command(_parser(), _print, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser("python -m study", __doc__)
    parser.add_argument("study", nargs="?", help="describe this study alone")
    return parser


def _print(options: argparse.Namespace, _: Sequence[str]) -> int:
    console = make_console()
    if options.study is not None:
        _describe(search_spaces.find(options.study), console, options.study)
    else:
        _print_lists(console)
    return 0


def _describe(study: Study, console: Console, typed: str = "") -> None:
    """Print a study's question, source, dimensions and trials, and how to run it.

    `typed`: the path of the user's own study.
    """
    console.print(f"{study.name}: {study.question}")
    console.print(f"  source       {study.source}")
    for name, values in study.dimensions.items():
        console.print(f"  {name:12} {', '.join(map(str, values))}")
    for dimension in study.space:
        console.print(f"  {dimension.setting:12} {dimension.domain}")
    tool = "scaling" if study.workers else "search" if study.space else "grid"
    if tool == "grid":
        budgets = [budget for budget in BUDGETS if budget in study.budgets]
        counts = ", ".join(f"{len(study.plan(budget, 1))} at {budget}" for budget in budgets)
        console.print(f"  trials       {counts}, for each seed")
    names = list(dict.fromkeys(grid.name for grid in study.grids if grid.name))
    if len(names) > 1:
        console.print(f"  parts        --grids {','.join(names)}")
    for grid in study.extra_grids:
        longest = "paper" if "paper" in study.budgets else next(iter(study.budgets))
        trials = len(study.with_grids([grid.name]).plan(longest, 1))
        console.print(f"  beyond it    --grids {grid.name}: {trials} trials for each seed")
        for setting, domain in grid.space.items():
            console.print(f"  {'':12} {setting} {', '.join(map(str, domain))}", style="dim")
    if study.claims:
        console.print(f"  claims       {len(study.claims)} of its report are tested")
    console.print("To run it, type")
    console.print(f"  python -m study.{tool} {shlex.quote(typed or study.name)}", soft_wrap=True)


def _print_lists(console: Console) -> None:
    console.print(Text("Commands", style="bold"))
    for name, summary in COMMANDS.items():
        console.print(f"  python -m {name:15} {summary}")
    console.print()
    console.print(Text("Studies", style="bold"))
    studies = search_spaces.studies().values()
    width = max(len(study.name) for study in studies) + 1
    for study in studies:
        console.print(f"  {study.name:{width}} {study.question}")
        console.print(f"  {'':{width}} {study.source}", style="dim")


if __name__ == "__main__":
    sys.exit(main())
