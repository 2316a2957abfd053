"""What a finished run has found: its study, its ranking, its verdicts and its answer in words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

import search_spaces
from search_spaces import hardware, search
from search_spaces.study import Claim, Study, Table
from study.analysis.conclusions import conclusions, measured_speedups
from study.analysis.failures import failure_sentences
from study.analysis.leader import Lead, leads
from study.analysis.leaderboard import best_per_optimizer, leaderboard, settings_of
from study.analysis.results import Results
from study.analysis.search import confirmed_lines, is_search, search_notes, search_objectives
from study.analysis.speedup import is_scaling
from study.analysis.verification import range_test_cases
from study.analysis.wording import provenance
from study.claims.judge import judge_all
from study.claims.verdict import Verdict
from study.kinds import problem_of
from study.report.answer import best_lines, range_test_lines, verdict_lines
from study.report.winner import Winner, winners
from study.tables.make import make_all


@dataclass
class Findings:
    """The findings of the run in `directory`, which may still be training.

    Raises: ConfigError if its study does not fit the run.
    """

    results: Results
    directory: Path
    has_tables: bool = True
    """whether files of tables accompany the answer, which then names some; a page may be alone"""
    study: Study | None = field(init=False, default=None)
    """its study, if this version of the project has it, as far as its kinds can be loaded"""
    not_reported: list[str] = field(init=False, default_factory=list)
    """the user's own figures, tables and claims whose code is missing or fails, and why"""
    board: pd.DataFrame = field(init=False)
    """see `study.analysis.leaderboard`; empty for a run that compares workers"""
    best: pd.DataFrame = field(init=False)
    judged: list[tuple[Claim, Verdict]] = field(init=False)
    tables: dict[str, tuple[Table, pd.DataFrame]] = field(init=False)
    one_seed: bool = field(init=False)
    """whether results depend on the seed, and the run has only one"""
    provenance: str = field(init=False)

    def __post_init__(self) -> None:
        results, run = self.results, self.results.run
        if run.study in search_spaces.studies() or run.definition:
            self.study = search_spaces.find(run.study)
            if is_search(results):  # every search shows the same, whatever its space
                figures = search.figures(len(search_objectives(results)))
                self.study = replace(self.study, figures=figures, tables=search.TABLES, claims=())
            elif is_scaling(results) and not self.study.workers:  # the user's own, made for grids
                figures = hardware.figures()
                self.study = replace(self.study, figures=figures, tables=hardware.TABLES, claims=())
        if self.study:
            self.study = self._with_known_kinds(self.study)
        # Workers learn the same and differ only in time; the ramps of a range test rank nothing.
        has_results = len(results.completed) > 0
        is_ranked = has_results and not is_scaling(results)
        self.board = board = leaderboard(results) if is_ranked else pd.DataFrame()
        self.best = best_per_optimizer(board) if len(board) else board
        judged_by = self.study if has_results else None
        self.judged = judge_all(judged_by, results) if judged_by else []
        note = self.not_reported.append
        self.tables = make_all(judged_by, results, note) if judged_by else {}
        one_seed = results.trials["seed"].nunique() == 1
        self.one_seed = self.study is not None and self.is_stochastic and one_seed
        self.provenance = provenance(run, results.completed if has_results else results.trials)

    def _with_known_kinds(self, study: Study) -> Study:
        """Return `study` without the declarations whose code, the user's own, is not here."""
        known: dict[str, Any] = {}
        for what in ("figures", "tables", "claims"):
            problems = {declared.name: problem_of(declared) for declared in getattr(study, what)}
            known[what] = tuple(d for d in getattr(study, what) if not problems[d.name])
            self.not_reported += [
                f"{what.removesuffix('s')} {name}: {problem}"
                for name, problem in problems.items()
                if problem
            ]
        return replace(study, **known)

    @property
    def is_stochastic(self) -> bool:
        """Whether results depend on the seed; True for an unknown study, whose results may."""
        return self.study is None or self.study.stochastic

    def _leads(self) -> dict[str, Lead]:
        """Return the lead of the best point by data set; none if the study is not stochastic."""
        found = leads(self.results, self.board) if self.is_stochastic else []
        return {lead.dataset: lead for lead in found}

    @cached_property
    def answer(self) -> list[str]:
        """The answer of the run, a line each."""
        results = self.results
        if results.completed.empty:
            return ["No trial has ended yet."]
        lines = []
        for declared, _ in self.tables.values():
            if declared.kind == "range_recommendation":
                cases = range_test_cases(results, declared.options["quantity"])
                lines += range_test_lines(cases)
        if is_scaling(results):
            lines += measured_speedups(results)
        if len(self.best):
            if note := results.objective_note:
                lines.append(f"Note: {note}.")
            confirmed = confirmed_lines(results) if is_search(results) else []
            lines += best_lines(
                self.best, self._leads(), confirmed=confirmed, has_tables=self.has_tables
            )
            objective = results.objective
            settings = settings_of(self.board, objective)
            lines += failure_sentences(
                self.board, objective, [] if is_search(results) else settings
            )
        if is_search(results):
            lines += search_notes(results)
        if self.judged:
            lines += verdict_lines(self.judged, has_tables=self.has_tables)
        return lines

    @cached_property
    def conclusions(self) -> list[str]:
        """What several workers are worth, as measured and by a model; empty for other runs."""
        has_results = is_scaling(self.results) and len(self.results.completed) > 0
        return conclusions(self.results) if has_results else []

    @cached_property
    def winners(self) -> list[Winner]:
        """The best setting of each data set, and the best trial if it has another one."""
        return winners(self.results, self.board, self.directory) if len(self.best) else []
