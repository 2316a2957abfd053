"""What all tables share: which trials a cell is about, what they measured, how it is written.

A cell is a mean over seeds with half of its 95% interval, and over seeds alone: other settings
that vary get columns of their own (`parts`). Seeds that diverged are not in the mean, which the
cell says; a cell whose seeds all diverged says that instead. Accuracies are in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from lenet.config import check_setting, nearest
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.statistics import Mean
from study.analysis.wording import label, machines, value_text, with_interval
from study.tables import TableError

_AT_BEST = "_at_best"
_NO_QUANTITIES = {"trial", "diverged"}

Key = TypeVar("Key")


@dataclass(frozen=True)
class Measured:
    """One quantity of the trials of one point, which differ in the seed alone."""

    over_seeds: Mean | None
    """over the seeds that did not diverge; None if there are none"""
    seeds: int
    diverged: int
    """how many of the seeds"""

    @property
    def mean(self) -> float:
        """NaN where there is none."""
        return self.over_seeds.mean if self.over_seeds else math.nan

    @property
    def diverged_share(self) -> float:
        return self.diverged / self.seeds if self.seeds else 0.0

    def text(self, quantity: str) -> str:
        """As a cell; `-` where nothing was measured."""
        if self.over_seeds is None:
            return "diverged" if self.diverged else "-"
        said = with_interval(
            quantity.removesuffix(_AT_BEST), self.over_seeds.mean, self.over_seeds.half_width
        )
        return f"{said} ({self.diverged} of {self.seeds} diverged)" if self.diverged else said


def check(results: Results, settings: Iterable[str], quantities: Iterable[str]) -> None:
    """Raise `ConfigError` on an unknown setting, `TableError` on an unknown quantity."""
    for name in settings:
        check_setting(name)
    for quantity in quantities:
        if quantity.removesuffix(_AT_BEST) not in {*results.records} - _NO_QUANTITIES:
            known = {*results.records, f"test_accuracy{_AT_BEST}"} - _NO_QUANTITIES
            raise TableError(nearest(quantity, known, "quantity"))


def parts(
    results: Results, trials: pd.DataFrame, by: Sequence[str]
) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """The trials by the other settings that vary where all of `by` are the same, which are
    never averaged over: the columns that name a part, and its trials.

    A setting that goes with one of `by`, such as an optimizer's own, parts nothing.
    """
    points = trials.groupby(list(by), dropna=False)
    others = [
        name
        for name in results.varied
        if name not in by and (points[name].nunique(dropna=False) > 1).any()
    ]
    if not others:
        return [({}, trials)]
    return [(named(others, key), inside) for key, inside in trials.groupby(others, dropna=False)]


def named(settings: Sequence[str], values: Iterable[Any]) -> dict[str, str]:
    """Columns that name a point: settings in words with their values as text."""
    return {label(name): value_text(value) for name, value in zip(settings, values, strict=True)}


def measure(
    results: Results, trials: pd.DataFrame, quantity: str, step: int | None = None
) -> Measured:
    """A column of the records at the trials' last record, or at exactly the step `step`; with
    `_at_best` behind its name, at the record with the best validation accuracy (the first of
    equals), so that the selection is on validation data.

    Missing where one of the seeds was not evaluated. A trial counts as diverged from the step
    on in which it did.
    """
    records = results.records[results.records["trial"].isin(trials["trial"])].sort_values("step")
    diverged = trials.loc[trials["status"] == "diverged", "trial"]
    if step is not None:
        diverged = diverged[diverged.map(records.groupby("trial")["step"].max()) <= step]
    converged = trials.loc[~trials["trial"].isin(diverged), "trial"]
    if step is not None:
        records = records[records["step"] == step]
    elif quantity.endswith(_AT_BEST):
        evaluated = records.dropna(subset="validation_accuracy")
        records = evaluated.loc[evaluated.groupby("trial")["validation_accuracy"].idxmax()]
    else:
        records = records.groupby("trial").tail(1)
    column = records.set_index("trial")[quantity.removesuffix(_AT_BEST)].astype(float)
    values = column.where(np.isfinite(column)).reindex(converged)
    return Measured(
        over_seeds=statistics.mean(values) if len(values) else None,
        seeds=len(trials),
        diverged=len(diverged),
    )


def best(points: Mapping[Key, Measured]) -> Key | None:
    """The point with the highest mean, the first of equals; one that diverged with some seed
    comes after all that never did, as in the leaderboard. None if none has a mean."""
    ranked = [key for key, value in points.items() if value.mean == value.mean]
    return min(
        ranked, key=lambda key: (points[key].diverged_share, -points[key].mean), default=None
    )


def workers_text(workers: int, trials: pd.DataFrame) -> str:
    """A number of workers, marked where they shared CPUs or were on several machines."""
    crowded = "oversubscribed" if trials["oversubscribed"].any() else ""
    return " ".join(filter(None, [str(workers), crowded, machines(trials)]))


def without_diverged(trials: pd.DataFrame, quantity: str) -> str:
    """`over_repeats` of those that did not diverge, which others end early, and how many did."""
    went = trials["status"] == "diverged"
    if went.all():
        return "diverged"
    said = over_repeats(trials.loc[~went, quantity])
    return f"{said} ({went.sum()} of {len(trials)} diverged)" if went.any() else said


def over_repeats(values: pd.Series) -> str:
    """Mean and half of the 95% interval of one value per repeat."""
    missed = sum(math.isinf(value) for value in values)
    if missed:
        return (
            "not reached" if missed == len(values) else f"not reached in {missed} of {len(values)}"
        )
    over = statistics.mean(values)
    return with_interval("", over.mean, over.half_width)
