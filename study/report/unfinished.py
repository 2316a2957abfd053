"""What to type about a run of which no trial has ended."""

from __future__ import annotations

import shlex

from rich.console import Console

from study.analysis.results import Results
from study.analysis.wording import pluralize
from study.runs.run_folder import RunFolder


def how_to_watch(folder: RunFolder, console: Console) -> None:
    """Print the command that draws the trials that have begun, if any."""
    trials = Results.load(folder.path).trials
    begun = int(((trials["status"] == "unfinished") & trials["step"].notna()).sum())
    if begun:
        console.print(f"To see the {pluralize(begun, 'curve')} so far, type")
        console.print(f"  python -m study.report --watch {shlex.quote(str(folder.home))}")


def how_to_finish(folder: RunFolder, console: Console) -> None:
    """Print the command that finishes the run, which another process may be training."""
    place = shlex.quote(str(folder.home))
    console.print("If nothing trains this run any more, finish it with")
    console.print(f"  python -m {folder.run.tool} --resume {place}")
