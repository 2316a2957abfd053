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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import SETTINGS
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


class Untestable(Exception):
    """Why the run at hand cannot test a claim."""


@dataclass(frozen=True)
class Evidence:
    """The results of one run, as claims look at them."""

    results: Results
    drawn: bool = True
    """whether anything in the study depends on the seed"""
    published: Sequence[Mapping[str, Any]] = ()
    """the points of the study as published: all that a claim is about, and nothing else is"""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """settings that the report had the same throughout, such as its data set and its model"""

    def measured(self, where: Mapping[str, Any], quantity: str, at: Moment) -> pd.DataFrame:
        """The trials of the published points with these settings, with their `quantity` in
        `value`, NaN where there is no record of the moment `at`.

        A quantity is a column of the records, taken at that moment; `best_...` is the best
        value of a column over all records; `rises_...` the sum of its increases from record
        to record; `lost_...` how much worse it is at that moment than at its best;
        `..._at_best` the column at the record with the best validation accuracy.
        These four need a record of the moment, too. A trial that had diverged by then has the
        worst value there is: an accuracy of 0, an infinite loss, an infinite fall.

        Raises `Untestable` where the run lacks one of the points, or was on other data.
        """
        trials = self._trials(where)
        records = self.results.records.sort_values("step", kind="stable")
        curves = dict(tuple(records[records["trial"].isin(trials["trial"])].groupby("trial")))
        column = quantity.removesuffix("_at_best")
        for prefix in ("best_", "rises_", "lost_"):
            column = column.removeprefix(prefix)
        if column not in records:
            raise ClaimError(f"no record has {column}, which a claim is about")
        falls = maximized(column) and not quantity.startswith("lost_")
        worst = 0.0 if falls else math.inf
        values, diverged = [], []
        for trial, status in zip(trials["trial"], trials["status"], strict=True):
            curve = curves.get(trial, records.iloc[:0])
            # Before it diverged a trial was as good as it was.
            gone = status == "diverged" and not any(
                curve[name].max() > moment for name, moment in at.items()
            )
            diverged.append(gone)
            values.append(worst if gone else _measure(curve, quantity, column, at))
        return trials.assign(value=np.asarray(values, dtype=float), gone=diverged)

    def _trials(self, where: Mapping[str, Any]) -> pd.DataFrame:
        # What a scheduler stopped has no end to compare.
        trials = self.results.counted[self.results.counted["status"] != "stopped"]
        for name, value in self.fixed.items():
            if name in trials and len(trials) and not (trials[name] == value).any():
                here = " and ".join(sorted({value_text(other) for other in trials[name]}))
                raise Untestable(
                    f"the report is about {label(name)} {value_text(value)}, this run on {here}"
                )
        if not self.published:
            return select(trials, where)
        about = pd.DataFrame(self.published)
        about = select(about, {n: v for n, v in where.items() if n in about})
        keys = list(about.columns)
        chosen = trials.merge(about, on=keys, how="inner")
        for seed in sorted(trials["seed"].unique()):
            there = chosen[chosen["seed"] == seed][keys]
            lacking = about.merge(there, on=keys, how="left", indicator=True)
            lacking = lacking[lacking["_merge"] == "left_only"]
            if len(lacking):
                key = tuple(lacking[keys].iloc[0])
                raise Untestable(f"this run has no whole trial of {named(keys, key)}, seed {seed}")
        return select(chosen, where)

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
            return Verdict(NOT_TESTED, f"this run has no record of it at that moment{about}")
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


def _measure(curve: pd.DataFrame, quantity: str, column: str, at: Moment) -> float:
    moment = curve
    for name, value in at.items():
        # Steps are exact; an epoch is a quotient.
        moment = moment[np.isclose(moment[name], value, rtol=0, atol=1e-9)]
    if moment.empty:
        return math.nan
    values = curve[column].dropna()
    best = float(values.max() if maximized(column) else values.min())
    if quantity.startswith("best_"):
        return best
    if quantity.startswith("rises_"):
        return float(values.diff().clip(lower=0).sum()) if len(values) > 1 else math.nan
    if quantity.startswith("lost_"):
        return abs(best - float(moment[column].iloc[-1]))
    if quantity.endswith("_at_best"):
        validated = curve["validation_accuracy"].to_numpy(dtype=float)
        if np.isnan(validated).all():
            return math.nan
        return float(curve[column].iloc[int(np.nanargmax(validated))])
    return float(moment[column].iloc[-1])


def points_of(trials: pd.DataFrame, per: Sequence[str]) -> list[Point]:
    """A point per combination of the settings `per`, with the values of its seeds.

    Raises `Untestable` if trials of one point differ in more than the seed.
    """
    one_each(trials, per)
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
    of these, or their mean over all. Two that both diverged have no difference (NaN).

    Raises `Untestable` if trials of one side and point differ in more than the seed.
    """
    keys = [*per, "seed"]
    columns = [*keys, "value", "gone"]
    for side in (one, other):
        one_each(side, per)
    paired = one[columns].merge(other[columns], on=keys, suffixes=("", "_other"))
    with np.errstate(invalid="ignore"):
        difference = paired["value"] - paired["value_other"]
    paired["value"] = difference.mask(paired["gone"] & paired["gone_other"])
    if averaged and len(paired):
        means = paired.groupby("seed")["value"].agg(lambda values: values.mean(skipna=False))
        return [Point("mean over all", means.tolist())]
    return points_of(paired, per)


def one_each(trials: pd.DataFrame, per: Sequence[str]) -> None:
    """Raise `Untestable` if trials of one seed and of the same settings `per` differ otherwise."""
    keys = [*per, "seed"]
    if not trials.duplicated(keys).any():
        return
    each = trials.groupby(keys, dropna=False)
    varied = [
        name
        for name in SETTINGS
        if name in trials and name not in keys and (each[name].nunique(dropna=False) > 1).any()
    ]
    listed = ", ".join(map(label, varied)) or "something"
    raise Untestable(f"{listed} varies in this run, which the claim says nothing of")


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
    if quantity.startswith("lost_"):
        return lambda value: f"{100 * value:.2f} points below its best"
    if "accuracy" in quantity and difference:
        return lambda value: f"{100 * value:+.2f} points"
    if "accuracy" in quantity:
        return lambda value: f"{100 * value:.2f} %"
    return lambda value: f"{value:+.4g}" if difference else f"{value:.4g}"
