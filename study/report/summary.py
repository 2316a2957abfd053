"""The report of a run on the terminal and in its folder: answer, tables, verdicts, figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

import search_spaces
from lenet.config import ConfigError
from search_spaces.study import Claim, Study, Table
from study.analysis.leaderboard import count_excluded
from study.analysis.optimizer_pairs import optimizer_pairs
from study.analysis.results import Results
from study.analysis.search import is_search, words_for_unset
from study.analysis.wording import (
    column_heading,
    format_mean,
    format_setting,
    format_value,
    label,
    pluralize,
)
from study.claims.verdict import NOT_TESTED, UNDECIDED, Verdict
from study.figures import style
from study.figures.draw import draw_all
from study.report.answer import ONE_SEED
from study.report.claims_table import claims_table
from study.report.comparisons import pair_lines
from study.report.console_table import print_table
from study.report.findings import Findings
from study.report.page.write import write_page
from study.report.text_tables import write_text_tables
from study.runs import layout
from study.runs.plain_settings import with_plain_settings
from study.tables.make import make_statistics
from study.tables.statistics import PREFIX

_MAX_FAILURES = 10
_MAX_ROWS = 30
"""The most rows of the printed leaderboard; the file has all of them."""
_MAX_ROWS_OF_SEARCH = 10
"""The same for a search, whose rows are several lines long."""
_MAX_NAMES = 4
"""The most claims that are named below a reason why several claims have no verdict."""


def summarize(
    directory: Path, console: Console, out: Path | None = None, *, footer: bool = True
) -> bool:
    """Report the run in `directory`: print the answer, the tables and the verdicts, and write
    them with the figures, with or without a `footer`, into `out` (default: `directory`).

    Returns: False if nothing is reported, because no trial has ended.

    Raises: ConfigError if the folder holds no run, its tables cannot be read, or its study does
    not fit the run; OSError if nothing can be written.
    """
    results = Results.load(directory)
    console.print()
    if results.completed.empty:
        _print_excluded(results, console)
        console.print("No trial has ended yet, so there is nothing to rank.")
        return False
    out = out or directory
    out.mkdir(parents=True, exist_ok=True)
    report = _Report(Findings(results, directory), out, console, footer)
    report.print_question()
    report.print_details()
    report.print_answer()
    report.print_files()
    return True


def summarize_together(directories: Sequence[Path], console: Console, out: Path) -> None:
    """Print the answer of each run, and write one page about all of them into `out`.

    Raises: ConfigError if a folder holds no run, or none of its trials has ended; OSError if the
    page cannot be written.
    """
    runs = []
    for directory in directories:
        results = Results.load(directory)
        if results.completed.empty:
            raise ConfigError(f"no trial of {directory} has ended yet: omit this run")
        runs.append(Findings(results, directory, has_tables=False))
    out.mkdir(parents=True, exist_ok=True)
    for findings in runs:
        console.print()
        console.print(Text(findings.directory.name, style="bold"))
        for line in findings.not_reported:
            console.print(f"  Not reported: {line}.")
        console.print(f"  Measured: {findings.provenance}.")
        for line in findings.answer:
            console.print(f"  {line}")
    console.print()
    console.print(f"  Page: {write_page(runs, out / layout.PAGE)}")


@dataclass
class _Report:
    findings: Findings
    out: Path
    console: Console
    footer: bool
    files: list[str] = field(default_factory=list)
    """what was written, for the list at the end"""

    def __post_init__(self) -> None:
        self.results = self.findings.results
        self.board = self.findings.board

    def print_question(self) -> None:
        """Print what the run is about and what it was measured with."""
        study, run = self.findings.study, self.results.run
        question = f": {study.question}" if study else ""
        self.console.print(f"{study.name if study else run.study}{question}")
        if problem := search_spaces.problem_of(run.study):
            self.console.print(
                f"Your study is not here ({problem}). This report is by the definition that the "
                "run keeps; to train more of it, bring your file."
            )
        for line in self.findings.not_reported:
            self.console.print(f"Not reported: {line}.")
        self.console.print(f"Measured: {self.findings.provenance}.")
        _print_reused(self.results, self.console)
        _print_excluded(self.results, self.console)

    def print_answer(self) -> None:
        """Print what the run found, after the tables that show it."""
        say = self.console.print
        say()
        say(Text("Answer", style="bold"))
        for line in self.findings.answer:
            say(f"  {line}")
        if self.findings.conclusions:
            self._conclusions()
        for winner in self.findings.winners:
            for line in winner.lines:
                say(f"  {line}")

    def print_details(self) -> None:
        """Print and write rankings, tables and claims; draw the figures."""
        if len(self.board):
            self._rankings()
        study = self.findings.study
        if study:
            self._tables()
        if len(self.board) and self.findings.is_stochastic:
            self._statistics()
        if study:
            self._claims(study)
        self.console.print()
        folder = self.out / layout.FIGURES
        with style.footers(shown=self.footer):
            drawn = draw_all(study, self.results, folder, self.console.print)
        figures = len({path.with_suffix("") for path in drawn})
        self.files.insert(0, f"{layout.FIGURES} ({figures})")

    def print_files(self) -> None:
        """Write the page, and print where everything is."""
        page = write_page([self.findings], self.out / layout.PAGE)
        self.console.print(f"  Page: {page}")
        if self.out == self.findings.directory:
            self.files.append(layout.TRIALS_TABLE)
        self.console.print(f"  Files in {self.out}: {', '.join(self.files)}")

    def _rankings(self) -> None:
        board, best = self.board, self.findings.best
        paths = self.out / layout.LEADERBOARD, self.out / layout.BEST_PER_OPTIMIZER
        for path, table in zip(paths, (board, best), strict=True):
            with_plain_settings(table).to_csv(path, index=False)
        self.files.append(layout.LEADERBOARD)
        say = self.console.print
        say()
        objective = self.results.objective
        rows = _MAX_ROWS_OF_SEARCH if is_search(self.results) else _MAX_ROWS
        unused = "" if objective.startswith("test") else "; the test set plays no part"
        say(f"Ranked by {label(objective)}{unused}.")
        if note := self.results.objective_note:
            say(f"Note: {note}.")
        if objective.startswith("test") and self.findings.is_stochastic:
            say("The best point is chosen on the test set, so its result there is optimistic.")
        say("± or [low, high]: the 95% interval of the mean over seeds; one seed has none.")
        self._print_ranking("Leaderboard", board.head(rows))
        unset = words_for_unset(self.results)
        for path, table in zip(paths, (board, best), strict=True):
            title = f"{'Leaderboard' if table is board else 'Best setting per optimizer'}. "
            title += f"Measured: {self.findings.provenance}."
            write_text_tables(path, title, *_ranking(table, unset))
        if len(board) > rows:
            diverged = int((board["diverged"][rows:] > 0).sum())
            of_these = f", {diverged} of them diverged" if diverged else ""
            say(f"... and {len(board) - rows} more in {layout.LEADERBOARD}{of_these}.")
        self._print_ranking("Best setting per optimizer", best)

    def _print_ranking(self, title: str, board: pd.DataFrame) -> None:
        print_table(self.console, title, *_ranking(board, words_for_unset(self.results)))

    def _tables(self) -> None:
        made = self.findings.tables
        if not made:
            return
        folder = self.out / layout.TABLES
        folder.mkdir(exist_ok=True)
        for name, (declared, table) in made.items():
            headers, rows = self._write_table(folder / f"{name}.csv", declared, table)
            print_table(self.console, declared.title, headers, rows)
        self.files.append(f"{layout.TABLES} ({len(made)})")

    def _write_table(
        self, path: Path, declared: Table, table: pd.DataFrame
    ) -> tuple[list[str], list[list[str]]]:
        """Write a table as CSV, Markdown and LaTeX. Return its headers and rows as text."""
        table.to_csv(path, index=False)
        headers = [label(str(column)) for column in table.columns]
        rows = [[format_value(cell) for cell in row] for row in table.itertuples(index=False)]
        title = f"{declared.title}. Measured: {self.findings.provenance}."
        write_text_tables(path, title, headers, rows)
        return headers, rows

    def _statistics(self) -> None:
        """Write the tables of statistics, and print what they say of the optimizers."""
        made = make_statistics(self.results)
        if not made:
            return
        folder = self.out / layout.TABLES
        folder.mkdir(exist_ok=True)
        for name, (declared, table) in made.items():
            self._write_table(folder / f"{name}.csv", declared, table)
        files = f"{layout.TABLES}/{PREFIX}*.csv"
        self.files.append(f"{files} ({len(made)})")
        lines = pair_lines(optimizer_pairs(self.results), self.results)
        if lines:
            self.console.print()
            self.console.print(Text("Optimizers compared in pairs", style="bold"))
            for line in lines:
                self.console.print(f"  {line}")
            self.console.print(f"  All statistics are in {files}.")

    def _claims(self, study: Study) -> None:
        judged, measured_by = self.findings.judged, self.findings.provenance
        if not judged:
            return
        say = self.console.print
        say()
        say(f"Claims of the report ({study.source})")
        say(f"  Judged by: {measured_by}.")
        budget = self.results.run.budget
        budgets = study.budgets
        if "paper" in budgets and budget != "paper" and budgets["paper"] != budgets.get("quick"):
            say(
                "  The published budget is larger: use --budget paper to test the claims as stated."
            )
        _print_verdicts(judged, self.console, one_seed=self.findings.one_seed)
        table = claims_table(self.findings)
        path = self.out / layout.CLAIMS
        table.to_csv(path, index=False)
        shown = ["verdict", "says", "source", "published", "evidence", "certainty"]
        texts = [list(map(str, row)) for row in table[shown].itertuples(index=False)]
        title = f"Claims of the report ({study.source}). Judged by: {measured_by}."
        write_text_tables(path, title, shown, texts)
        self.files.append(layout.CLAIMS)

    def _conclusions(self) -> None:
        """Write what several workers are worth, and print where it is."""
        self.console.print(f"  What a model of the step's time predicts: {layout.CONCLUSION}")
        path = self.out / layout.CONCLUSION
        lines = [*self.findings.conclusions, f"Measured by: {self.findings.provenance}.", ""]
        path.write_text("\n".join(lines), encoding="utf-8")
        self.files.append(layout.CONCLUSION)


def _ranking(board: pd.DataFrame, unset: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Return the headers and the cells of a ranking, as text.

    `unset`: what a missing value of a setting means, where it is not its default.
    """
    measured = [name for name in board.columns if f"{name}_low" in board]
    settings = list(board.columns[1 : list(board.columns).index(measured[0])])
    counts = ["seeds", *(name for name in ("diverged", "stopped") if board[name].any())]
    headers = ["rank", *map(label, settings), *map(column_heading, measured), *counts, "seconds"]
    rows = [
        [
            str(row["rank"]),
            *(
                unset[name]
                if name in unset and pd.isna(row[name])
                else format_setting(name, row[name])
                for name in settings
            ),
            *(
                format_mean(name, row[name], row[f"{name}_low"], row[f"{name}_high"])
                for name in measured
            ),
            *(str(row[name]) for name in counts),
            f"{row['train_seconds']:.1f}",
        ]
        for row in board.to_dict("records")
    ]
    return headers, rows


def _print_verdicts(
    judged: Sequence[tuple[Claim, Verdict]], console: Console, *, one_seed: bool
) -> None:
    # A reason why several claims cannot be tested is printed only once.
    shared = Counter(v.evidence for _, v in judged if v.verdict == NOT_TESTED)
    for evidence, claims in shared.items():
        if claims > 1:
            console.print(f"  NOT TESTED, {claims} claims: {evidence}.")
            names = [claim.name for claim, verdict in judged if verdict.evidence == evidence]
            console.print(f"      {_some(names)}")
    undecided = [claim.name for claim, verdict in judged if verdict.verdict == UNDECIDED]
    if one_seed and undecided:
        console.print(f"  UNDECIDED, {pluralize(len(undecided), 'claim')}: {ONE_SEED}.")
        console.print(f"      {_some(undecided)}")
    for claim, verdict in judged:
        if shared[verdict.evidence] > 1 or (one_seed and verdict.verdict == UNDECIDED):
            continue
        published = "" if claim.published == "none" else f" Published: {claim.published}."
        console.print(f"  {verdict.verdict.upper()} ({claim.name}): {claim.statement}")
        console.print(f"      {claim.source}.{published}")
        console.print(f"      Here: {verdict.evidence}.")
        if verdict.certainty:
            console.print(f"      How sure: {verdict.certainty}.")


def _some(names: Sequence[str]) -> str:
    """List a few of the names of claims, and say where the others are."""
    more = f" and {len(names) - _MAX_NAMES} more, in {layout.CLAIMS}" if names[_MAX_NAMES:] else ""
    return f"{', '.join(names[:_MAX_NAMES])}{more}"


def _print_reused(results: Results, console: Console) -> None:
    """Print how many trials other runs have trained, and which runs."""
    if "reused" not in results.trials or results.trials["reused"].isna().all():
        return
    runs = results.trials["reused"].dropna()
    counts = ", ".join(f"{run} ({count})" for run, count in runs.value_counts().items())
    trials = pluralize(len(results.trials), "trial")
    console.print(f"Reused: {len(runs)} of {trials}, trained by {counts}.")


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
        why = " ".join(line.strip() for line in reason[:2]) or "no reason recorded"
        console.print(f"  {trial['trial']} failed: {why}")
    if len(failed) > _MAX_FAILURES:
        console.print(f"  ... and {len(failed) - _MAX_FAILURES} more (see trials.csv)")
