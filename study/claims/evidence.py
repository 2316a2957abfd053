"""The evidence for claims: measurements of the trials that a claim is about, paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import SETTINGS, ConfigError
from study.analysis.quantity import Moment, Quantity
from study.analysis.results import Results, select
from study.analysis.wording import describe_settings, format_value, label
from study.claims.verdict import Bounds, SeedValues, Verdict, judge


class Untestable(Exception):
    """The run cannot test a claim; the message says why."""


@dataclass(frozen=True)
class Evidence:
    """The results of a run, as evidence for the claims of its study."""

    results: Results
    stochastic: bool = True
    """whether results depend on the seed"""
    published: Sequence[Mapping[str, Any]] = ()
    """settings of the published points; claims are about all of these and no others"""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """settings that all published points share, such as the data set and the model"""

    def measure(self, where: Mapping[str, Any], quantity: str, moment: Moment) -> pd.DataFrame:
        """Return the trials of the published points with these settings, with their measurement.

        Added columns: `value`, the `quantity` (see `study.analysis.quantity.Quantity`), NaN if a
        trial has no record of `moment`; and `diverged_before`, whether the trial had diverged by
        then. Such a trial has the worst value: an accuracy of 0, an infinite loss or fall.

        Raises: Untestable if a published point is missing or the run used other data, ConfigError
        if the records have no such quantity.
        """
        trials = self._published_trials(where)
        measured = Quantity.parse(quantity)
        records = self.results.records.sort_values("step", kind="stable")
        if measured.column not in records:
            raise ConfigError(f"no record has {measured.column}, which a claim is about")
        curves = dict(tuple(records[records["trial"].isin(trials["trial"])].groupby("trial")))
        values, diverged = [], []
        for trial, status in zip(trials["trial"], trials["status"], strict=True):
            curve = curves.get(trial, records.iloc[:0])
            # Until it diverged, a trial counts with what it measured.
            continued = any(curve[name].max() > moment[name] for name in moment)
            diverged.append(status == "diverged" and not continued)
            values.append(measured.worst if diverged[-1] else measured.measure(curve, moment))
        return trials.assign(value=np.asarray(values, dtype=float), diverged_before=diverged)

    def _published_trials(self, where: Mapping[str, Any]) -> pd.DataFrame:
        # A trial that a scheduler stopped has no final result to compare.
        trials = self.results.completed[self.results.completed["status"] != "stopped"]
        for name, value in self.fixed.items():
            if name in trials and len(trials) and not (trials[name] == value).any():
                used = " and ".join(sorted({format_value(other) for other in trials[name]}))
                raise Untestable(
                    f"the report is about {label(name)} {format_value(value)}, this run on {used}"
                )
        if not self.published:
            return select(trials, where)
        points = pd.DataFrame(self.published)
        points = select(points, {n: v for n, v in where.items() if n in points})
        keys = list(points.columns)
        chosen = trials.merge(points, on=keys, how="inner")
        for seed in sorted(trials["seed"].unique()):
            found = chosen[chosen["seed"] == seed][keys]
            missing = points.merge(found, on=keys, how="left", indicator=True)
            missing = missing[missing["_merge"] == "left_only"]
            if len(missing):
                point = describe_settings(dict(missing[keys].iloc[0]))
                raise Untestable(f"this run has no whole trial of {point}, seed {seed}")
        return select(chosen, where)

    def judge(
        self, points: Sequence[SeedValues], allowed: Bounds, format_number: Callable[[float], str]
    ) -> Verdict:
        """Judge the claim that all points lie in the range `allowed`; see `verdict.judge`."""
        return judge(points, allowed, format_number, stochastic=self.stochastic)


def values_per_seed(trials: pd.DataFrame, per: Sequence[str]) -> list[SeedValues]:
    """Return the values of each combination of the settings `per`, sorted by seed.

    Raises: Untestable if trials of one combination differ in more than the seed.
    """
    require_one_trial_per_seed(trials, per)
    if trials.empty:
        return []
    if not per:
        return [SeedValues("", trials.sort_values("seed")["value"].tolist())]
    return [
        SeedValues(
            describe_settings(dict(zip(per, key, strict=True))),
            group.sort_values("seed")["value"].tolist(),
        )
        for key, group in trials.groupby(list(per), dropna=False)
    ]


def paired_differences(
    one: pd.DataFrame, other: pd.DataFrame, per: Sequence[str], *, averaged: bool
) -> list[SeedValues]:
    """Return `one` minus `other`, paired by seed and by the settings `per`.

    There is a result for each combination of these settings, or for their mean if `averaged`. Two
    trials that both diverged have no difference (NaN).

    Raises: Untestable if trials of one side and combination differ in more than the seed.
    """
    keys = [*per, "seed"]
    columns = [*keys, "value", "diverged_before"]
    for side in (one, other):
        require_one_trial_per_seed(side, per)
    paired = one[columns].merge(other[columns], on=keys, suffixes=("", "_other"))
    with np.errstate(invalid="ignore"):
        difference = paired["value"] - paired["value_other"]
    both_diverged = paired["diverged_before"] & paired["diverged_before_other"]
    paired["value"] = difference.mask(both_diverged)
    if averaged and len(paired):
        means = paired.groupby("seed")["value"].agg(lambda values: values.mean(skipna=False))
        return [SeedValues("mean over all", means.tolist())]
    return values_per_seed(paired, per)


def require_one_trial_per_seed(trials: pd.DataFrame, per: Sequence[str]) -> None:
    """Raise `Untestable` if trials with equal seeds and settings `per` differ in other settings."""
    keys = [*per, "seed"]
    if not trials.duplicated(keys).any():
        return
    groups = trials.groupby(keys, dropna=False)
    varied = [
        name
        for name in SETTINGS
        if name in trials and name not in keys and (groups[name].nunique(dropna=False) > 1).any()
    ]
    listed = ", ".join(map(label, varied)) or "something"
    raise Untestable(f"{listed} varies in this run, which the claim says nothing of")


def value_formatter(quantity: str, *, difference: bool = False) -> Callable[[float], str]:
    """Return a function that writes a value of a quantity, or a difference with its sign.

    Differences of accuracies are in points.
    """
    measured = Quantity.parse(quantity)
    if measured.reduction == "lost":
        return lambda value: f"{100 * value:.2f} points below its best"
    if "accuracy" in measured.column and difference:
        return lambda value: f"{100 * value:+.2f} points"
    if "accuracy" in measured.column:
        return lambda value: f"{100 * value:.2f} %"
    return lambda value: f"{value:+.4g}" if difference else f"{value:.4g}"
