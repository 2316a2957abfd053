"""List the commands and the studies.

    python -m study

A study runs by its name: `python -m study.grid NAME`.
"""

from __future__ import annotations

import sys

from rich.console import Console

import search_spaces

COMMANDS = {
    "study.grid": "train every point of a study's space, scheduled by Ray Tune",
    "study.lr_range": "find a learning rate by the range test, and see what it is worth",
    "study.search": "search for the best settings with Optuna, and confirm them",
    "study.scaling": "train data-parallel on several workers, and see what they are worth",
    "study.report": "draw a finished run's figures again and print what it found",
}


def main() -> int:
    """Print both lists; the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]Commands[/bold]")
    for name, does in COMMANDS.items():
        console.print(f"  python -m {name:15} {does}")
    console.print("\n[bold]Studies[/bold]")
    for study in search_spaces.studies().values():
        console.print(f"  {study.name:18} {study.question}", markup=False)
        console.print(f"  {'':18} {study.source}", markup=False, style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
