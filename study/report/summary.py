"""The rankings and figures of a run, written and printed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

import search_spaces
from study.analysis.leaderboard import best_per_optimizer, leaderboard, left_out
from study.analysis.results import RECORDS, TRIALS, Results, load_run
from study.analysis.wording import (
    counted,
    heading,
    label,
    provenance,
    value_text,
    with_interval,
)
from study.figures.draw import draw_all
from study.runtime.storage import RunFolder, collect, tables_are_current

_FAILURES = 10
_ROWS = 30
"""The printed leaderboard is cut there, the file is not."""


def summarize(directory: Path, console: Console, out: Path | None = None) -> None:
    """Write the figures and rankings of the run in `directory` (into `out`, if given),
    print the rankings, and say where everything lies.

    Raises `ResultsError` if the folder is no run or its tables cannot be read, `FigureError`
    or `ConfigError` if a figure of its study is declared wrongly, `OSError` if nothing can
    be written.
    """
    run = load_run(directory)
    if not tables_are_current(directory) and RunFolder(directory).writable:
        collect(directory)
    results = Results.load(directory)
    out = out or directory
    out.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say("")
    _say_left_out(results, say)
    if results.counted.empty:
        say("No trial has a result yet: there is nothing to rank or to draw.")
        return
    board = leaderboard(results)
    best = best_per_optimizer(board)
    board.to_csv(out / "leaderboard.csv", index=False)
    best.to_csv(out / "best_per_optimizer.csv", index=False)
    say(f"{run['study']}: {provenance(run, results.counted)}.")
    say(_how_ranked(results))
    say("± is the 95% Student-t interval over seeds; there is none over one seed.")
    _print(board.head(_ROWS), "Leaderboard", console)
    if len(board) > _ROWS:
        diverged = int((board["diverged"][_ROWS:] > 0).sum())
        also = f", of which {diverged} diverged" if diverged else ""
        say(f"... and {len(board) - _ROWS} more in leaderboard.csv{also}.")
    _print(best, "Best setting per optimizer", console)
    files = _figures(run["study"], results, out / "figures", say)
    say("")
    for what, where in (
        ("figures", f"{out / 'figures'} ({counted(len(files) // 2, 'figure')}, PNG and SVG)"),
        ("rankings", f"{out / 'leaderboard.csv'}, {out / 'best_per_optimizer.csv'}"),
        ("tables", f"{directory / TRIALS}, {directory / RECORDS} (and .csv)"),
        ("again", f"python -m study.report {shlex.quote(str(directory))}"),
    ):
        say(f"  {what:9} {where}")


def _how_ranked(results: Results) -> str:
    ranked = f"Ranked by {label(results.objective)}"
    if results.objective.startswith("test"):
        return f"{ranked}."
    return f"{ranked}; the test set takes no part in the ranking."


def _figures(name: str, results: Results, folder: Path, say: Callable[[str], None]) -> list[Path]:
    if name not in search_spaces.studies():
        say(f"No figures: this copy of the project has no study {name!r} to say which.")
        return []
    return draw_all(search_spaces.find(name), results, folder, say)


def _say_left_out(results: Results, say: Callable[[str], None]) -> None:
    """Say which trials are not counted, and why the failed ones failed."""
    missing = left_out(results)
    if not missing:
        return
    each = ", ".join(f"{n} {status}" for status, n in missing.items())
    say(f"Not counted: {each} of {counted(len(results.trials), 'trial')} (see trials.csv).")
    failed = results.trials[results.trials["status"] == "failed"]
    for trial in failed.head(_FAILURES).to_dict("records"):
        reason = trial["error"].strip().splitlines() if isinstance(trial["error"], str) else []
        say(f"  {trial['trial']} failed: {reason[-1] if reason else 'no reason was kept'}")
    if len(failed) > _FAILURES:
        say(f"  ... and {len(failed) - _FAILURES} more (see trials.csv)")


def _print(board: pd.DataFrame, title: str, console: Console) -> None:
    """Print rows of the leaderboard; no cell is ever cut."""
    first = next(i for i, name in enumerate(board.columns) if f"{name}_ci95" in board)
    settings = list(board.columns[1:first])
    measured = [name for name in board.columns[first:] if f"{name}_ci95" in board]
    if board["dataset"].nunique() == 1:  # then it stands above the table
        settings.remove("dataset")
    counts = ["seeds", *(name for name in ("diverged", "stopped") if board[name].any())]
    # A frame is for the eye; in a file or a pipe it is in the way.
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.HORIZONTALS if console.is_terminal else None,
        pad_edge=False,
    )
    for name in ("rank", *settings, *map(heading, measured), *counts, "seconds"):
        is_text = name in board and board[name].map(lambda value: isinstance(value, str)).all()
        # Where the page is too narrow, a cell goes on in its next line.
        table.add_column(label(name), justify="left" if is_text else "right", overflow="fold")
    for row in board.to_dict("records"):
        table.add_row(
            str(row["rank"]),
            *(value_text(row[name]) for name in settings),
            *(with_interval(name, row[name], row[f"{name}_ci95"]) for name in measured),
            *(str(row[name]) for name in counts),
            f"{row['train_seconds']:.1f}",
        )
    console.print()
    page = console.width
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        console.width = Measurement.get(
            console, console.options.update(max_width=10_000), table
        ).maximum
    console.print(table, soft_wrap=False)
    console.width = page
