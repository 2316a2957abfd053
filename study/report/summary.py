"""The report of a run on the terminal and in its folder: answer, tables, verdicts, figures."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

import search_spaces
from search_spaces import search
from search_spaces.study import Claim, Study
from study.analysis.conclusions import conclusions
from study.analysis.leaderboard import best_per_optimizer, count_excluded, leaderboard
from study.analysis.results import Results
from study.analysis.search import is_search, search_objectives, winner_notes
from study.analysis.speedup import is_scaling
from study.analysis.wording import (
    column_heading,
    format_mean,
    format_value,
    label,
    pluralize,
    provenance,
)
from study.claims.judge import judge_all
from study.claims.verdict import NOT_TESTED, Verdict
from study.figures.draw import draw_all
from study.report.answer import best_lines, verdict_line
from study.report.console_table import print_table
from study.runs import layout
from study.tables.make import make_all

_MAX_FAILURES = 10
_MAX_ROWS = 30
"""Rows of the printed leaderboard. The file has all."""


def summarize(directory: Path, console: Console, out: Path | None = None) -> None:
    """Report the run in `directory`: print the answer, the tables and the verdicts, and write
    them with the figures into `out` (default: `directory`).

    Raises: ConfigError if the folder holds no run, its tables cannot be read, or its study does
    not fit the run; OSError if nothing can be written.
    """
    results = Results.load(directory)
    console.print()
    _print_excluded(results, console)
    if results.completed.empty:
        console.print("No trial has a result yet: there is nothing to rank or to draw.")
        return
    out = out or directory
    out.mkdir(parents=True, exist_ok=True)
    report = _Report(results, directory, out, console)
    report.print_answer()
    report.print_details()
    report.print_files()


@dataclass
class _Report:
    results: Results
    directory: Path
    out: Path
    console: Console
    files: list[tuple[str, str]] = field(default_factory=list)
    """(what, where) for the list at the end"""

    def __post_init__(self) -> None:
        results, run = self.results, self.results.run
        self.study: Study | None = None
        if run.study in search_spaces.studies():
            self.study = search_spaces.find(run.study)
            if is_search(results):  # every search shows the same, whatever its space
                figures = search.figures(len(search_objectives(results)))
                self.study = replace(self.study, figures=figures, tables=search.TABLES, claims=())
        # Workers learn the same and differ only in time; the ramps of a range test rank nothing.
        board = pd.DataFrame() if is_scaling(results) else leaderboard(results)
        self.board = board
        self.best = best_per_optimizer(board) if len(board) else board
        self.judged = judge_all(self.study, results) if self.study else []
        self.provenance = provenance(run, results.completed)

    def print_answer(self) -> None:
        """Print what the run found, before the tables that show it."""
        say = self.console.print
        say(f"{self.results.run.study}: {self.provenance}.")
        say()
        if is_scaling(self.results):
            self._conclusions()
        if len(self.best):
            for line in best_lines(self.best):
                say(line)
        if is_search(self.results):
            for line in winner_notes(self.results):
                say(line)
        if self.judged:
            say(f"{verdict_line(self.judged)}.")

    def print_details(self) -> None:
        """Print and write rankings, tables and claims; draw the figures."""
        if len(self.board):
            self._rankings()
        if self.study is None:
            name = self.results.run.study
            self.console.print(f"No figures: this installation has no study {name!r}.")
            return
        self._tables(self.study)
        self._claims(self.study)
        self.console.print()
        folder = self.out / layout.FIGURES
        drawn = draw_all(self.study, self.results, folder, self.console.print)
        figures = pluralize(len(drawn) // 2, "figure")
        self.files.insert(0, ("figures", f"{folder} ({figures}, PNG and SVG)"))

    def print_files(self) -> None:
        """Print where everything is."""
        tables = self.directory / layout.TRIALS_TABLE, self.directory / layout.RECORDS_TABLE
        self.files.append(("records", f"{tables[0]}, {tables[1]} (and .csv)"))
        command = f"python -m study.report {shlex.quote(str(self.directory))}"
        self.files.append(("again", command))
        for what, where in self.files:
            self.console.print(f"  {what:9} {where}")

    def _rankings(self) -> None:
        board, best = self.board, self.best
        paths = self.out / layout.LEADERBOARD, self.out / layout.BEST_PER_OPTIMIZER
        board.to_csv(paths[0], index=False)
        best.to_csv(paths[1], index=False)
        self.files.append(("rankings", f"{paths[0]}, {paths[1]}"))
        say = self.console.print
        say()
        objective = self.results.objective
        unused = "" if objective.startswith("test") else "; the test set plays no part"
        say(f"Ranked by {label(objective)}{unused}.")
        say("± is the 95% Student-t interval over seeds; one seed has none.")
        self._print_ranking("Leaderboard", board.head(_MAX_ROWS))
        if len(board) > _MAX_ROWS:
            diverged = int((board["diverged"][_MAX_ROWS:] > 0).sum())
            of_these = f", {diverged} of them diverged" if diverged else ""
            say(f"... and {len(board) - _MAX_ROWS} more in {layout.LEADERBOARD}{of_these}.")
        self._print_ranking("Best setting per optimizer", best)

    def _print_ranking(self, title: str, board: pd.DataFrame) -> None:
        measured = [name for name in board.columns if f"{name}_ci95" in board]
        settings = list(board.columns[1 : list(board.columns).index(measured[0])])
        counts = ["seeds", *(name for name in ("diverged", "stopped") if board[name].any())]
        headers = [
            "rank",
            *map(label, settings),
            *map(column_heading, measured),
            *counts,
            "seconds",
        ]
        rows = [
            [
                str(row["rank"]),
                *(format_value(row[name]) for name in settings),
                *(format_mean(name, row[name], row[f"{name}_ci95"]) for name in measured),
                *(str(row[name]) for name in counts),
                f"{row['train_seconds']:.1f}",
            ]
            for row in board.to_dict("records")
        ]
        print_table(self.console, title, headers, rows)

    def _tables(self, study: Study) -> None:
        made = make_all(study, self.results)
        if not made:
            return
        folder = self.out / layout.TABLES
        folder.mkdir(exist_ok=True)
        for name, (declared, table) in made.items():
            table.to_csv(folder / f"{name}.csv", index=False)
            rows = [[format_value(cell) for cell in row] for row in table.itertuples(index=False)]
            print_table(self.console, declared.title, [label(str(c)) for c in table.columns], rows)
        self.files.append(("tables", f"{folder} ({pluralize(len(made), 'table')}, CSV)"))

    def _claims(self, study: Study) -> None:
        if not self.judged:
            return
        say = self.console.print
        say()
        say(f"Claims of the report ({study.source})")
        say(f"  Judged by: {self.provenance}.")
        budget = self.results.run.budget
        if budget != "paper" and study.budgets["paper"] != study.budgets["quick"]:
            say(
                "  The published budget is larger: use --budget paper to test the claims as stated."
            )
        _print_verdicts(self.judged, self.console)
        rows = [
            {
                "claim": claim.name,
                "verdict": verdict.verdict,
                "says": claim.statement,
                "source": claim.source,
                "published": claim.published,
                "evidence": verdict.evidence,
                "judged_by": self.provenance,
            }
            for claim, verdict in self.judged
        ]
        path = self.out / layout.CLAIMS
        pd.DataFrame(rows).to_csv(path, index=False)
        self.files.append(("claims", str(path)))

    def _conclusions(self) -> None:
        """Print what several workers are worth, and write it."""
        sentences = conclusions(self.results)
        self.console.print("What several workers are worth here")
        for sentence in sentences:
            self.console.print(f"  {sentence}")
        path = self.out / layout.CONCLUSION
        lines = [*sentences, f"Measured by: {self.provenance}.", ""]
        path.write_text("\n".join(lines), encoding="utf-8")
        self.files.append(("in words", str(path)))


def _print_verdicts(judged: Sequence[tuple[Claim, Verdict]], console: Console) -> None:
    # A reason that several claims cannot be tested for is printed once.
    shared = Counter(v.evidence for _, v in judged if v.verdict == NOT_TESTED)
    for evidence, claims in shared.items():
        if claims > 1:
            console.print(f"  NOT TESTED, {claims} claims: {evidence}.")
    for claim, verdict in judged:
        if shared[verdict.evidence] > 1:
            continue
        published = "" if claim.published == "none" else f" Published: {claim.published}."
        console.print(f"  {verdict.verdict.upper()}: {claim.statement}")
        console.print(f"      {claim.source}.{published}")
        console.print(f"      Here: {verdict.evidence}.")


def _print_excluded(results: Results, console: Console) -> None:
    """Print which trials are not counted, and why the failed ones failed."""
    excluded = count_excluded(results)
    if not excluded:
        return
    counts = ", ".join(f"{n} {status}" for status, n in excluded.items())
    trials = pluralize(len(results.trials), "trial")
    console.print(f"Not counted: {counts} of {trials} (see trials.csv).")
    unfinished = results.trials[results.trials["status"] == "unfinished"]
    if damaged := int(unfinished["error"].notna().sum()):
        records = f"the records of {pluralize(damaged, 'trial')}"
        console.print(f"  Missing or damaged: {records}. --resume trains again.")
    failed = results.trials[results.trials["status"] == "failed"]
    for trial in failed.head(_MAX_FAILURES).to_dict("records"):
        reason = trial["error"].strip().splitlines() if isinstance(trial["error"], str) else []
        console.print(
            f"  {trial['trial']} failed: {reason[-1] if reason else 'no reason recorded'}"
        )
    if len(failed) > _MAX_FAILURES:
        console.print(f"  ... and {len(failed) - _MAX_FAILURES} more (see trials.csv)")
