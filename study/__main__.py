"""List the commands and the studies.

    python -m study

To run a study, pass its name: `python -m study.grid NAME`.
"""

from __future__ import annotations

import sys

from rich.text import Text

import search_spaces
from study.terminal import make_console

COMMANDS = {
    "study.grid": "train every point of a study's grid on Ray Tune",
    "study.lr_range": "find a learning rate with the range test, and verify it",
    "study.search": "search for the best settings with Optuna, and confirm them",
    "study.scaling": "train data-parallel on several workers, and report what they are worth",
    "study.report": "report a finished run again: figures, tables, verdicts",
}


def main() -> int:
    """Print both lists and return the exit code."""
    console = make_console()
    console.print(Text("Commands", style="bold"))
    for name, summary in COMMANDS.items():
        console.print(f"  python -m {name:15} {summary}")
    console.print()
    console.print(Text("Studies", style="bold"))
    for study in search_spaces.studies().values():
        console.print(f"  {study.name:18} {study.question}")
        console.print(f"  {'':18} {study.source}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
