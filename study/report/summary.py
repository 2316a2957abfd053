"""What a run found: rankings, tables, verdicts and figures, written and printed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

import search_spaces
from search_spaces import search
from search_spaces.study import Study
from study.analysis.conclusions import conclusions
from study.analysis.leaderboard import best_per_optimizer, leaderboard, left_out
from study.analysis.results import RECORDS, TRIALS, Results, load_run
from study.analysis.search import is_search, objectives_of, said_of_winner
from study.analysis.speedup import is_scaling
from study.analysis.wording import (
    counted,
    heading,
    label,
    provenance,
    value_text,
    with_interval,
)
from study.claims.evidence import NOT_TESTED
from study.claims.judge import judge_all
from study.figures.draw import draw_all
from study.tables.make import make_all

_FAILURES = 10
_ROWS = 30
"""The printed leaderboard is cut there, the file is not."""


def summarize(directory: Path, console: Console, out: Path | None = None) -> None:
    """Write the figures, rankings, tables and verdicts of the run in `directory` (into `out`,
    if given), print all but the figures, and say where everything lies.

    Raises `ResultsError` if the folder is no run or its tables cannot be read, `FigureError`,
    `TableError`, `ClaimError` or `ConfigError` if something of its study is declared wrongly or
    does not fit what was run, `OSError` if nothing can
    be written.
    """
    run = load_run(directory)
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
    say(f"{run['study']}: {provenance(run, results.counted)}.")
    files: list[Path] = []
    extra: list[tuple[str, str]] = []
    # Ramps alone rank nothing, and workers learn the same: they differ in their time.
    if len(board) and not is_scaling(results):
        extra += _rankings(board, results, out, console)
    if run["study"] in search_spaces.studies():
        study = search_spaces.find(run["study"])
        if is_search(results):  # whatever is searched, this is what there is to see
            figures = search.figures(len(objectives_of(results)))
            study = replace(study, figures=figures, tables=search.TABLES, claims=())
        extra += _tables(study, results, out, console)
        if is_search(results):
            for line in said_of_winner(results):
                say(line)
        extra += _claims(study, results, out, say)
        extra += _conclusions(results, out, say)
        files = draw_all(study, results, out / "figures", say)
    else:
        say(f"No figures: this copy of the project has no study {run['study']!r} to say which.")
    say("")
    for what, where in (
        ("figures", f"{out / 'figures'} ({counted(len(files) // 2, 'figure')}, PNG and SVG)"),
        *extra,
        ("records", f"{directory / TRIALS}, {directory / RECORDS} (and .csv)"),
        ("again", f"python -m study.report {shlex.quote(str(directory))}"),
    ):
        say(f"  {what:9} {where}")


def _rankings(
    board: pd.DataFrame, results: Results, out: Path, console: Console
) -> list[tuple[str, str]]:
    """Print the leaderboard and the best of each optimizer, and write both as CSV."""
    best = best_per_optimizer(board)
    files = out / "leaderboard.csv", out / "best_per_optimizer.csv"
    board.to_csv(files[0], index=False)
    best.to_csv(files[1], index=False)
    console.print(_how_ranked(results), markup=False, soft_wrap=True)
    console.print("± is the 95% Student-t interval over seeds; there is none over one seed.")
    _print(board.head(_ROWS), "Leaderboard", console)
    if len(board) > _ROWS:
        diverged = int((board["diverged"][_ROWS:] > 0).sum())
        also = f", of which {diverged} diverged" if diverged else ""
        console.print(f"... and {len(board) - _ROWS} more in leaderboard.csv{also}.")
    _print(best, "Best setting per optimizer", console)
    return [("rankings", f"{files[0]}, {files[1]}")]


def _how_ranked(results: Results) -> str:
    ranked = f"Ranked by {label(results.objective)}"
    if results.objective.startswith("test"):
        return f"{ranked}."
    return f"{ranked}; the test set takes no part in the ranking."


def _tables(study: Study, results: Results, out: Path, console: Console) -> list[tuple[str, str]]:
    """Print the study's own tables and write each as CSV."""
    made = make_all(study, results)
    if not made:
        return []
    folder = out / "tables"
    folder.mkdir(exist_ok=True)
    for name, (asked, rows) in made.items():
        rows.to_csv(folder / f"{name}.csv", index=False)
        table = _framed(console)
        for column in rows.columns:
            is_text = column == rows.columns[0]
            heading = label(str(column))
            table.add_column(heading, justify="left" if is_text else "right", overflow="fold")
        for row in rows.itertuples(index=False):
            table.add_row(*map(value_text, row))
        _show(asked.title, table, console)
    return [("tables", f"{folder} ({counted(len(made), 'table')}, CSV)")]


def _claims(
    study: Study, results: Results, out: Path, say: Callable[[str], None]
) -> list[tuple[str, str]]:
    """Print what became of the report's claims, and write it as CSV."""
    judged = judge_all(study, results)
    if not judged:
        return []
    say("")
    say(f"Claims of the report ({study.source})")
    where = provenance(results.run, results.counted)
    say(f"  judged by: {where}.")
    if results.run["budget"] != "paper" and study.budgets["paper"] != study.budgets["quick"]:
        say("  This is less training than was published: use --budget paper to test it as it was.")
    # What no claim can be judged for is said once.
    alike = Counter(v.evidence for _, v in judged if v.verdict == NOT_TESTED)
    for evidence, claims in alike.items():
        if claims > 1:
            say(f"  NOT TESTED, {claims} claims: {evidence}.")
    for claim, verdict in judged:
        if alike[verdict.evidence] > 1:
            continue
        say(f"  {verdict.verdict.upper()}: {claim.says}")
        published = "" if claim.published == "none" else f" Published: {claim.published}."
        say(f"      {claim.source}.{published}")
        say(f"      Here: {verdict.evidence}.")
    rows = [
        {
            "claim": claim.name,
            "verdict": verdict.verdict,
            "says": claim.says,
            "source": claim.source,
            "published": claim.published,
            "evidence": verdict.evidence,
            "judged_by": where,
        }
        for claim, verdict in judged
    ]
    pd.DataFrame(rows).to_csv(out / "claims.csv", index=False)
    return [("claims", str(out / "claims.csv"))]


def _conclusions(results: Results, out: Path, say: Callable[[str], None]) -> list[tuple[str, str]]:
    """Print what a scaling run comes to, in words, and write it."""
    if not is_scaling(results):
        return []
    said = conclusions(results)
    say("")
    say("What several workers are worth here")
    for sentence in said:
        say(f"  {sentence}")
    where = provenance(results.run, results.counted)
    path = out / "conclusion.txt"
    path.write_text("\n".join([*said, f"Measured by: {where}.", ""]), encoding="utf-8")
    return [("in words", str(path))]


def _say_left_out(results: Results, say: Callable[[str], None]) -> None:
    """Say which trials are not counted, and why the failed ones failed."""
    missing = left_out(results)
    if not missing:
        return
    each = ", ".join(f"{n} {status}" for status, n in missing.items())
    say(f"Not counted: {each} of {counted(len(results.trials), 'trial')} (see trials.csv).")
    unfinished = results.trials[results.trials["status"] == "unfinished"]
    damaged = int(unfinished["error"].notna().sum())
    if damaged:
        of = counted(damaged, "trial")
        say(f"  of {of} the records are missing or damaged: --resume trains it again")
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
    table = _framed(console)
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
    _show(title, table, console)


def _framed(console: Console) -> Table:
    return Table(
        # A frame is for the eye; in a file or a pipe it is in the way.
        box=box.HORIZONTALS if console.is_terminal else None,
        pad_edge=False,
    )


def _show(title: str, table: Table, console: Console) -> None:
    console.print()
    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    page = console.width
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        console.width = Measurement.get(
            console, console.options.update(max_width=10_000), table
        ).maximum
    console.print(table, soft_wrap=False)
    console.width = page
