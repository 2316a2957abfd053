"""The leader: whether the best point of a run is told apart from the others.

Even among equal points, luck puts one ahead, so a rank announces nothing. The leader is a winner if
it beats each of the others: over the seeds that both have, the 95% interval of the mean difference
lies above 0 (Student's paired t, see `study.analysis.paired`). Beating all of the others needs no
correction for their number (Berger, Multiparameter Hypothesis Testing and Acceptance Sampling,
Technometrics 24, 1982). Among equal points, a winner is announced in at most about 5% of runs; see
`docs/statistics.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from search_spaces.objective import maximized
from study.analysis import paired
from study.analysis.leaderboard import settings_of
from study.analysis.results import Results
from study.analysis.statistics import CONFIDENCE
from study.analysis.workloads import grid_trials, is_compared, values_by_seed

_ROUNDING = 1e-6
"""Means that differ by less than this share are equal: some records are in single precision."""


@dataclass(frozen=True)
class Lead:
    """The comparison of the best point of a data set with each of the others."""

    dataset: str
    seeds: int
    """seeds of the best point"""
    rivals: int
    """the number of other points"""
    undecided: int
    """the number of rivals from which the best point is not told apart"""
    tied: int
    """the number of these whose mean is the same"""
    runner_up: paired.PairedComparison
    """the comparison of the best point with the second-ranked one"""
    seeds_needed: int | None
    """number of seeds that would decide against all rivals at the present means and spreads; None
    if no number up to a thousand is known to decide"""

    @property
    def is_winner(self) -> bool:
        return self.undecided == 0


def leads(results: Results, board: pd.DataFrame) -> list[Lead]:
    """Return the lead on each data set that has two points or more.

    `board`: the leaderboard of the run. None for a search, a run that compares workers, or trials
    that a scheduler stopped.
    """
    if not is_compared(results):
        return []
    quantity = results.objective
    settings = settings_of(board, quantity)
    sign = 1 if maximized(quantity) else -1
    # Group once: with thousands of points, selecting each point's trials would take minutes.
    groups = grid_trials(results).groupby(settings, dropna=False, sort=False)
    trials = {_key(values): group for values, group in groups}
    found = []
    for dataset, rows in board.groupby("dataset", sort=False):
        points = [
            sign * values_by_seed(trials[_key(values)], quantity)
            for values in rows[settings].itertuples(index=False, name=None)
        ]
        if len(points) > 1:
            found.append(lead(str(dataset), points))
    return found


def _key(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the settings of a point as a key: unset ones, None or NaN, are equal."""
    return tuple(None if value is None or value != value else value for value in values)


def lead(dataset: str, points: Sequence[pd.Series]) -> Lead:
    """Return the lead of the first of `points`, each with a value per seed; higher is better."""
    best, *rivals = points
    comparisons = [_compare(best, rival) for rival in rivals]
    # NaN, the p-value of a single seed, is not below any level.
    undecided = [
        (rival, compared)
        for rival, compared in zip(rivals, comparisons, strict=True)
        if not (compared.p_seeds < 1 - CONFIDENCE and compared.mean > 0)
    ]
    needed = [compared.seeds_needed if compared.mean > 0 else None for _, compared in undecided]
    known = [seeds for seeds in needed if seeds is not None]
    return Lead(
        dataset=dataset,
        seeds=int(best.notna().sum()),
        rivals=len(rivals),
        undecided=len(undecided),
        tied=sum(_are_equal(best, rival) for rival, _ in undecided),
        runner_up=comparisons[0],
        seeds_needed=max(known) if known and len(known) == len(needed) else None,
    )


def _are_equal(best: pd.Series, rival: pd.Series) -> bool:
    """Return True if the means over the shared seeds are equal, both infinite ones too."""
    best, rival = best.align(rival, join="inner")
    return bool(np.isclose(best.mean(), rival.mean(), rtol=_ROUNDING, atol=0.0))


def _compare(best: pd.Series, rival: pd.Series) -> paired.PairedComparison:
    best, rival = best.align(rival, join="inner")
    shared = (best - rival).where(best != rival, 0.0).dropna()  # two infinite losses are equal
    if shared.empty:
        return paired.compare([[float("nan")]])
    return paired.compare(shared.to_numpy()[:, None])
