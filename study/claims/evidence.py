"""What a verdict is made of: measurements of trials, their intervals over seeds, and the rule.

A claim puts a number, such as the difference of two accuracies, into a range. It is
*reproduced* if the 95% interval of every point it speaks of lies inside the range; *not
reproduced* if that of some point lies outside, at a level shared among the points (Bonferroni:
of twenty points one would lie outside by chance); else *undecided*. A claim about every point
needs no such correction to be reproduced (Berger, Multiparameter Hypothesis Testing and
Acceptance Sampling, Technometrics 24, 1982). One seed has no interval and decides nothing,
unless nothing in the study is drawn at random.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from search_spaces.study import maximized
from study.analysis import statistics
from study.analysis.results import Results, select
from study.analysis.wording import label, value_text
from study.claims import ClaimError

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
NOT_TESTED = "not tested"

_MOST_SAID = 6


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, and why."""

    verdict: str
    evidence: str
    """the measured numbers, or the reason why there are none"""


@dataclass(frozen=True)
class Point:
    """One number of a claim, a value per seed."""

    name: str
    values: Sequence[float]


Moment = Mapping[str, float]
"""Which record of a trial is meant: `{"epoch": 2}`, `{"step": 500}`, or with nothing the last."""

END: Moment = {}


@dataclass(frozen=True)
class Evidence:
    """The results of one run, as claims look at them."""

    results: Results
    drawn: bool
    """whether anything in the study depends on the seed"""

    def measured(self, where: Mapping[str, object], quantity: str, at: Moment) -> pd.DataFrame:
        """The trials with a result and these settings, with their `quantity` in `value`.

        A quantity is a column of the records, taken at the moment `at`; `best_...` is the best
        value of a column over all records; `rises_...` the sum of its increases from record
        to record; `test_accuracy_at_best` the test accuracy at the record with the best
        validation accuracy. A trial that diverged has the worst value there is: an accuracy of
        0, an infinite loss. NaN where there is no such record.
        """
        trials = select(self.results.counted, where)
        records = self.results.records.sort_values("step", kind="stable")
        curves = dict(tuple(records[records["trial"].isin(trials["trial"])].groupby("trial")))
        measure = _measure(quantity, at)
        column = quantity.removeprefix("best_").removeprefix("rises_").removesuffix("_at_best")
        if column not in records:
            raise ClaimError(f"no record has {column}, which a claim is about")
        worst = 0.0 if maximized(column) else math.inf
        values = [
            worst
            if status == "diverged"
            else measure(curves[trial])
            if trial in curves
            else math.nan
            for trial, status in zip(trials["trial"], trials["status"], strict=True)
        ]
        return trials.assign(value=np.asarray(values, dtype=float))

    def judge(
        self, points: Sequence[Point], low: float, high: float, said: Callable[[float], str]
    ) -> Verdict:
        """The verdict on the claim that all points lie between `low` and `high`; `said` puts a
        value into words."""
        if not points:
            return Verdict(NOT_TESTED, "no trial of this run is about it")
        missing = [point.name for point in points if any(map(math.isnan, point.values))]
        if missing:
            about = f" for {missing[0]}" if missing[0] else ""
            return Verdict(NOT_TESTED, f"this run has no record of that moment{about}")
        evidence = "; ".join(self._said(point, said) for point in points[:_MOST_SAID])
        if len(points) > _MOST_SAID:
            evidence += f"; and {len(points) - _MOST_SAID} more"
        if self.drawn and any(len(point.values) < 2 for point in points):
            return Verdict(UNDECIDED, f"one seed has no interval: {evidence}")
        inside = [self._interval(point, statistics.CONFIDENCE) for point in points]
        if all(_inside(edge, low, high) for interval in inside for edge in interval):
            return Verdict(REPRODUCED, evidence)
        shared = 1 - (1 - statistics.CONFIDENCE) / len(points)
        outside = [
            point for point in points if not _overlap(self._interval(point, shared), low, high)
        ]
        if outside:
            against = ", ".join(point.name or "it" for point in outside[:_MOST_SAID])
            return Verdict(NOT_REPRODUCED, f"against it: {against}. {evidence}")
        return Verdict(UNDECIDED, f"an interval straddles: {evidence}")

    def _said(self, point: Point, said: Callable[[float], str]) -> str:
        a, b = self._interval(point, statistics.CONFIDENCE)
        text = said(float(np.mean(point.values)))
        if len(point.values) > 1 and self.drawn:
            text += f" [{said(a)}, {said(b)}]"
        return f"{point.name}: {text}" if point.name else text

    def _interval(self, point: Point, confidence: float) -> tuple[float, float]:
        values = np.asarray(point.values, dtype=float)
        if not np.isfinite(values).all():
            # Infinite for all seeds is as sure as can be, for some it says nothing.
            same = (values == values[0]).all()
            return (values[0], values[0]) if same else (-math.inf, math.inf)
        if not self.drawn:
            return float(values.min()), float(values.max())
        seeds = statistics.mean(values, confidence)
        return seeds.mean - seeds.half_width, seeds.mean + seeds.half_width


def _overlap(interval: tuple[float, float], low: float, high: float) -> bool:
    a, b = interval
    if a == b:
        return _inside(a, low, high)
    return b >= low and a <= high


def _inside(value: float, low: float, high: float) -> bool:
    """Infinity is inside a range without a bound on its side."""
    return (value > low or low == -math.inf) and (value < high or high == math.inf)


def _measure(quantity: str, at: Moment) -> Callable[[pd.DataFrame], float]:
    def best(curve: pd.DataFrame) -> float:
        column = quantity.removeprefix("best_")
        return float(curve[column].max() if maximized(column) else curve[column].min())

    def rises(curve: pd.DataFrame) -> float:
        column = curve[quantity.removeprefix("rises_")].dropna()
        return float(column.diff().clip(lower=0).sum()) if len(column) > 1 else math.nan

    def at_best(curve: pd.DataFrame) -> float:
        if curve["validation_accuracy"].isna().all():
            return math.nan
        best = int(np.nanargmax(curve["validation_accuracy"].to_numpy(dtype=float)))
        return float(curve["test_accuracy"].iloc[best])

    def value(curve: pd.DataFrame) -> float:
        for name, moment in at.items():
            curve = curve[np.isclose(curve[name], moment)]
        return float(curve[quantity].iloc[-1]) if len(curve) else math.nan

    if quantity == "test_accuracy_at_best":
        return at_best
    return (
        best if quantity.startswith("best_") else rises if quantity.startswith("rises_") else value
    )


def points_of(trials: pd.DataFrame, per: Sequence[str]) -> list[Point]:
    """A point per combination of the settings `per`, with the values of its seeds."""
    if trials.empty:
        return []
    if not per:
        return [Point("", trials.sort_values("seed")["value"].tolist())]
    return [
        Point(named(per, key), group.sort_values("seed")["value"].tolist())
        for key, group in trials.groupby(list(per), dropna=False)
    ]


def differences(
    one: pd.DataFrame, other: pd.DataFrame, per: Sequence[str], *, averaged: bool
) -> list[Point]:
    """`one` minus `other`, paired by seed and by the settings `per`: a point per combination
    of these, or their mean over all that both have."""
    keys = [*per, "seed"]
    paired = one[[*keys, "value"]].merge(other[[*keys, "value"]], on=keys, suffixes=("", "_other"))
    with np.errstate(invalid="ignore"):
        difference = paired["value"] - paired["value_other"]
    # Both infinite: neither is ahead.
    both = np.isinf(paired["value"]) & (paired["value"] == paired["value_other"])
    paired["value"] = difference.mask(both, 0.0)
    if averaged and len(paired):
        return [Point("mean over all", paired.groupby("seed")["value"].mean().tolist())]
    return points_of(paired, per)


def named(settings: Sequence[str], values: object) -> str:
    """`batch size 32, learning rate 0.1`."""
    listed = values if isinstance(values, tuple) else (values,)
    return ", ".join(
        f"{label(name)} {value_text(value)}"
        for name, value in itertools.zip_longest(settings, listed)
    )


def in_words(quantity: str, *, difference: bool = False) -> Callable[[float], str]:
    """How a value of a quantity is written, or a difference of two: with its sign, of
    accuracies in points."""
    if "accuracy" in quantity and difference:
        return lambda value: f"{100 * value:+.2f} points"
    if "accuracy" in quantity:
        return lambda value: f"{100 * value:.2f} %"
    return lambda value: f"{value:+.4g}" if difference else f"{value:.4g}"
