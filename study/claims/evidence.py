"""The evidence for claims: measurements of the trials that a claim is about, paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import ConfigError, settings_in
from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment, Quantity
from study.analysis.results import Results, select
from study.analysis.statistics import Support
from study.analysis.wording import describe_settings, format_setting, label
from study.claims.verdict import Bounds, Rule, SeedValues, Verdict, judge


class Untestable(Exception):
    """The run cannot test a claim; the message says why."""


@dataclass(frozen=True)
class PublishedPoint:
    """A point of the published study."""

    settings: Mapping[str, Any]
    """its value of each dimension"""
    end: Moment = field(default_factory=dict)
    """the step and epoch at which its trials end under the published budget; empty if unknown"""


@dataclass(frozen=True)
class Evidence:
    """The results of a run, as evidence for the claims of its study."""

    results: Results
    stochastic: bool = True
    """whether results depend on the seed"""
    published: Sequence[PublishedPoint] = ()
    """claims are about all of these points and no others"""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """settings that all published points share, such as the data set and the model"""

    @cached_property
    def _curves(self) -> dict[str, pd.DataFrame]:
        """The records of each trial, in the order of their steps."""
        records = self.results.records.sort_values("step", kind="stable")
        return {str(trial): curve for trial, curve in records.groupby("trial")}

    def measure(self, where: Mapping[str, Any], quantity: str, moment: Moment) -> pd.DataFrame:
        """Return the trials of the published points with these settings, with their measurement.

        Added columns: `value`, the `quantity` (see `study.analysis.quantity.Quantity`), NaN if a
        trial has no record of `moment`; and `diverged_before`, whether the trial had diverged by
        then. Such a trial has the worst value: an accuracy of 0, an infinite loss.

        For a trial whose published length ends before `moment`, the record at that end is used. A
        shorter budget has no such record, so its trials are not measured.

        A seed whose trials have not all been trained yet is left out as a whole.

        Raises: Untestable if a published point is missing, failed or was stopped early, or the run
        used other data; ConfigError if the records have no such quantity.
        """
        trials = self._published_trials(where)
        measured = Quantity.parse(quantity)
        for column in measured.columns:
            if column not in self.results.records:
                raise ConfigError(f"no record has {column}, which a claim is about")
        no_curve = self.results.records.iloc[:0]
        values, diverged = [], []
        ended = zip(trials["trial"], trials["status"], measured.unthinned(trials), strict=True)
        for row, (trial, status, kept) in enumerate(ended):
            curve = self._curves.get(trial, no_curve)
            end = self.published[trials["point"].iloc[row]].end if self.published else END
            then = {name: min(value, end.get(name, value)) for name, value in moment.items()}
            # Until it diverged, a trial has its measured values.
            continued = any(curve[name].max() > then[name] for name in then)
            diverged.append(status == "diverged" and not continued)
            value = measured.worst if diverged[-1] else measured.measure(curve, then, kept)
            values.append(value)
        return trials.assign(value=np.asarray(values, dtype=float), diverged_before=diverged)

    def measure_change(
        self, where: Mapping[str, Any], quantity: str, since: Moment, to: Moment
    ) -> pd.DataFrame:
        """Return `measure` at the moment `to`, with `value` less the value at `since`.

        A trial that diverged in between changes to the worst value. One that had diverged before
        has the worst change that there can be.
        """
        later, earlier = (self.measure(where, quantity, moment) for moment in (to, since))
        differences = Quantity.parse(quantity).support.of_differences()
        worst = differences.low if maximized(quantity) else differences.high
        change = (later["value"] - earlier["value"]).mask(earlier["diverged_before"], worst)
        return later.assign(value=change)

    def _published_trials(self, where: Mapping[str, Any]) -> pd.DataFrame:
        # A trial that a scheduler stopped has no final result to compare.
        trials = self.results.completed[self.results.completed["status"] != "stopped"]
        for name, value in self.fixed.items():
            if name in trials and len(trials) and select(trials, {name: value}).empty:
                used = " and ".join(sorted({format_setting(name, v) for v in trials[name]}))
                published = format_setting(name, value)
                raise Untestable(
                    f"the report is about {label(name)} {published}, this run on {used}"
                )
        if not self.published:
            return select(trials, where)
        points = pd.DataFrame([point.settings for point in self.published])
        keys = list(points.columns)
        points = points.assign(point=range(len(points)))
        points = select(points, {n: v for n, v in where.items() if n in points})
        chosen = _merge(trials, points, keys)
        unfinished, first_missing = set(), None
        for seed in sorted(trials["seed"].unique()):
            found = chosen.loc[chosen["seed"] == seed, "point"]
            missing = points[~points["point"].isin(found)]
            if missing.empty:
                continue
            point = describe_settings(dict(missing[keys].iloc[0]))
            reason = f"this run has no whole trial of {point}, seed {seed}"
            # Leaving out a seed because of how its trials ended would favor some outcomes.
            ended = self.results.trials[self.results.trials["status"] != "unfinished"]
            if not _merge(ended[ended["seed"] == seed], missing, keys).empty:
                raise Untestable(reason)
            unfinished.add(seed)
            first_missing = first_missing or reason
        chosen = chosen[~chosen["seed"].isin(unfinished)]
        if first_missing and chosen.empty:
            raise Untestable(first_missing)
        return select(chosen, where)

    def judge(
        self,
        points: Sequence[SeedValues],
        allowed: Bounds,
        format_number: Callable[[float], str],
        support: Support,
    ) -> Verdict:
        """Judge the claim that all points lie in the range `allowed`; see `verdict.judge`."""
        return judge(points, Rule(allowed, support, self.stochastic), format_number)

    def judge_quantity(
        self, points: Sequence[SeedValues], allowed: Bounds, quantity: str
    ) -> Verdict:
        """Judge points that are values of `quantity`."""
        rule = Rule(allowed, Quantity.parse(quantity).support, self.stochastic)
        return judge(points, rule, format_quantity(quantity))

    def judge_difference(
        self,
        points: Sequence[SeedValues],
        allowed: Bounds,
        quantity: str,
        band: float | None = None,
    ) -> Verdict:
        """Judge points that are differences of two values of `quantity`.

        Differences of less than `band`, in either direction, count as none; see `verdict.Rule`.
        """
        support = Quantity.parse(quantity).support.of_differences()
        rule = Rule(allowed, support, self.stochastic, band)
        return judge(points, rule, format_quantity(quantity, difference=True))


def _merge(trials: pd.DataFrame, points: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the trials of these points, with the columns that `points` adds."""
    # pandas refuses to merge a column without any value with one of numbers.
    unset = [name for name in keys if trials[name].isna().all()]
    trials = trials.astype({name: points[name].dtype for name in unset})
    return trials.merge(points, on=keys, how="inner")


def values_per_seed(trials: pd.DataFrame, per: Sequence[str]) -> list[SeedValues]:
    """Return the values of each combination of the settings `per`, sorted by seed.

    Raises: Untestable if trials of one combination differ in more than the seed.
    """
    require_one_trial_per_seed(trials, per)
    if trials.empty:
        return []
    groups = trials.groupby(list(per), dropna=False) if per else [((), trials)]
    points = []
    for key, group in groups:
        values = group.sort_values("seed")["value"]
        # A single trial that diverged has a value, the worst one; a difference of two has none.
        lost = group["diverged_before"] & group["value"].isna()
        name = describe_settings(dict(zip(per, key, strict=True)))
        points.append(SeedValues(name, values.tolist(), int(lost.sum())))
    return points


def paired_differences(
    one: pd.DataFrame, other: pd.DataFrame, per: Sequence[str], *, averaged: bool
) -> list[SeedValues]:
    """Return `one` minus `other`, paired by seed and by the settings `per`.

    There is a result for each combination of these settings, or for their mean if `averaged`. Two
    trials that both diverged have no difference (NaN) and are counted. In a mean over combinations
    they count as no difference, unless both diverged at every one.

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
    paired["diverged_before"] = both_diverged
    if averaged and len(paired):
        paired["value"] = paired["value"].mask(both_diverged, 0.0)
        seeds = paired.groupby("seed")
        means = seeds["value"].agg(lambda values: values.mean(skipna=False))
        lost = seeds["diverged_before"].all()
        return [SeedValues("mean over all", means.mask(lost).tolist(), int(lost.sum()))]
    return values_per_seed(paired, per)


def require_one_trial_per_seed(trials: pd.DataFrame, per: Sequence[str]) -> None:
    """Raise `Untestable` if trials with equal seeds and settings `per` differ in other settings."""
    keys = [*per, "seed"]
    if not trials.duplicated(keys).any():
        return
    groups = trials.groupby(keys, dropna=False)
    varied = [
        name
        for name in settings_in(trials)
        if name not in keys and (groups[name].nunique(dropna=False) > 1).any()
    ]
    listed = ", ".join(map(label, varied)) or "something"
    raise Untestable(f"{listed} varies in this run, which the claim says nothing of")


def format_quantity(quantity: str, *, difference: bool = False) -> Callable[[float], str]:
    """Return a function that writes a value of a quantity, or a difference with its sign.

    Differences of accuracies are in points.
    """
    measured = Quantity.parse(quantity)
    if "accuracy" in measured.column and difference:
        return lambda value: f"{100 * value:+.2f} points"
    if "accuracy" in measured.column:
        return lambda value: f"{100 * value:.2f} %"
    return lambda value: f"{value:+.4g}" if difference else f"{value:.4g}"
