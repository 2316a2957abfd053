"""The points of a run: which settings distinguish them, and their curves over training time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from search_spaces.objective import maximized
from study.analysis import statistics
from study.analysis.quantity import support_of
from study.analysis.range_test import RAMP
from study.analysis.results import Results, select

ALWAYS_NAMED = ("dataset", "model", "optimizer", "lr", "schedule", "batch_size")
"""Settings that identify a point to the reader, even if others would distinguish it."""


def distinguishing_settings(results: Results) -> list[str]:
    """Return the settings that vary, except those that others determine.

    For example, the number of steps may follow from the batch size.
    """
    settings = results.varied_settings
    points = results.trials[settings].drop_duplicates()
    for name in reversed(results.varied_settings):
        others = [other for other in settings if other != name]
        if name not in ALWAYS_NAMED and others and not points[others].duplicated().any():
            settings = others
    return settings


def point_curves(results: Results, quantity: str) -> pd.DataFrame:
    """Return the curve of every point over steps, averaged over seeds.

    There is a row for each record at which all seeds that did not diverge were evaluated, sorted by
    settings and step. Columns: the settings that vary (except the seed); `step`; the `mean` of the
    quantity over seeds, with the ends of its interval, `low` and `high`; `train_seconds`
    (mean of one trial); `seeds` and `diverged` (counts).
    """
    settings = results.varied_settings
    trials = results.completed
    rows: list[pd.DataFrame] = []
    for key, point in trials.groupby(settings, dropna=False) if settings else [((), trials)]:
        converged = point.loc[point["status"] != "diverged", "trial"]
        records = results.records[results.records["trial"].isin(converged)]
        values = records.pivot(index="step", columns="trial", values=quantity).dropna()
        seconds = records.pivot(index="step", columns="trial", values="train_seconds")
        if values.empty:
            continue
        means = values.mean(axis=1)
        low, high = statistics.interval(
            means, values.std(axis=1), values.shape[1], support_of(quantity)
        )
        rows.append(
            pd.DataFrame(
                {
                    **dict(zip(settings, key, strict=True)),
                    "step": values.index,
                    "mean": means,
                    "low": low,
                    "high": high,
                    "train_seconds": seconds.loc[values.index].mean(axis=1),
                    "seeds": len(point),
                    "diverged": len(point) - len(converged),
                }
            )
        )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


@dataclass(frozen=True)
class FinalPoint:
    """A point of a grid, with the quantity that each seed measured at its last record."""

    settings: Mapping[str, Any]
    """the settings that distinguish points; None where one is unset"""
    trials: pd.DataFrame
    """its trials with a result; they differ only in the seed"""
    values: tuple[float, ...]
    """the quantity of each seed that did not diverge"""
    support: statistics.Support
    """the values that the quantity can take"""

    @property
    def diverged(self) -> int:
        """The number of seeds that diverged."""
        return int((self.trials["status"] == "diverged").sum())

    @cached_property
    def mean(self) -> float:
        """The mean over the seeds that did not diverge; NaN if there are none."""
        return sum(self.values) / len(self.values) if self.values else math.nan

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the mean; None for one seed."""
        if len(self.values) < 2:
            return None
        mean = statistics.mean(self.values, self.support)
        return mean.low, mean.high


def final_points(
    results: Results, quantity: str, where: Mapping[str, Any]
) -> tuple[list[str], list[FinalPoint]]:
    """Return the settings that distinguish the points of a grid, and the points, best first.

    Points with fewer diverged seeds come first, then those with the better mean of `quantity`.
    Excluded are trials outside `where`, without a result or a value, and ramps of a range test.
    """
    ramps = results.trials["schedule"].astype(str).str.startswith(RAMP)
    grid = replace(results, trials=select(results.trials[~ramps], where))
    settings = [name for name in distinguishing_settings(grid) if name not in where]
    trials = grid.completed
    trials = trials[trials[quantity].notna() | (trials["status"] == "diverged")]
    points = []
    for key, seeds in trials.groupby(settings, dropna=False) if settings else [((), trials)]:
        if seeds.empty:
            continue
        converged = seeds.loc[seeds["status"] != "diverged", quantity]
        unset_is_none = [None if value != value else value for value in key]
        points.append(
            FinalPoint(
                settings=dict(zip(settings, unset_is_none, strict=True)),
                trials=seeds,
                values=tuple(float(value) for value in converged if math.isfinite(value)),
                support=support_of(quantity),
            )
        )
    sign = -1 if maximized(quantity) else 1
    points.sort(
        key=lambda point: (
            point.diverged / len(point.trials),
            sign * point.mean if point.values else math.inf,
        )
    )
    return settings, points


def values_of(points: list[FinalPoint], setting: str) -> list[Any]:
    """Return the values of a setting among these points: None if it is unset, then sorted."""
    values = {point.settings[setting] for point in points}
    return [*([None] if None in values else []), *sorted(values - {None})]
