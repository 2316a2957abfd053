"""What all tables share: measuring the trials of a cell, and writing cells as text.

A cell is a mean over seeds with its 95% interval. Other settings that vary are never averaged over:
`split_by_other_settings` gives them their own columns. Diverged seeds are excluded from the mean,
and the cell gives their number. Accuracies are in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from lenet.config import ConfigError, check_setting, unknown_name
from study.analysis import statistics
from study.analysis.quantity import END, Quantity
from study.analysis.results import Results
from study.analysis.statistics import NON_NEGATIVE, Mean, Support
from study.analysis.wording import describe_machines, format_mean, format_setting, label

_NO_QUANTITIES = {"trial", "diverged"}

Key = TypeVar("Key")


@dataclass(frozen=True)
class Measurement:
    """One quantity of the trials of a point, which differ only in the seed."""

    over_seeds: Mean | None
    """over the seeds that did not diverge; None if there are none"""
    seeds: int
    diverged: int
    """the number of seeds that diverged"""

    @property
    def mean(self) -> float:
        """The mean over seeds; NaN if there is none."""
        return self.over_seeds.mean if self.over_seeds else math.nan

    @property
    def diverged_share(self) -> float:
        return self.diverged / self.seeds if self.seeds else 0.0

    def text(self, quantity: str) -> str:
        """Return the cell; `-` if nothing was measured."""
        if self.over_seeds is None:
            return "diverged" if self.diverged else "-"
        column = Quantity.parse(quantity).column
        mean = self.over_seeds
        text = format_mean(column, mean.mean, mean.low, mean.high)
        return _with_diverged(text, self.diverged, self.seeds)


def check_names(
    results: Results,
    *,
    settings: Iterable[str] = (),
    quantities: Iterable[str] = (),
    columns: Iterable[str] = (),
) -> None:
    """Validate the names in the options of a table; `columns` are those of the records.

    Raises: ConfigError if a setting, quantity or column is unknown.
    """
    for name in settings:
        check_setting(name)
    known = {*results.records} - _NO_QUANTITIES
    for quantity in quantities:
        if not known.issuperset(Quantity.parse(quantity).columns):
            raise ConfigError(unknown_name(quantity, known | {"test_accuracy_at_best"}, "quantity"))
    for column in columns:
        if column not in known:
            raise ConfigError(unknown_name(column, known, "quantity"))


def split_by_other_settings(
    results: Results, trials: pd.DataFrame, by: Sequence[str]
) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """Split trials by the settings that vary at fixed values of the settings `by`.

    Returns the cells that name each group, and its trials. Settings that `by` determines, such as
    the hyperparameters of an optimizer, do not split.
    """
    points = trials.groupby(list(by), dropna=False)
    others = [
        name
        for name in results.varied_settings
        if name not in by and (points[name].nunique(dropna=False) > 1).any()
    ]
    if not others:
        return [({}, trials)]
    groups = trials.groupby(others, dropna=False)
    return [(setting_cells(others, key), group) for key, group in groups]


def setting_cells(settings: Sequence[str], values: Iterable[Any]) -> dict[str, str]:
    """Return the cells that name a point: settings in words, with their values as text."""
    return {
        label(name): format_setting(name, value)
        for name, value in zip(settings, values, strict=True)
    }


def measure(
    results: Results, trials: pd.DataFrame, quantity: str, step: int | None = None
) -> Measurement:
    """Measure a quantity (see `study.analysis.quantity.Quantity`) on trials of one point.

    Each trial is measured at its last record, or at the record of exactly `step`. The mean is NaN
    if a seed was not evaluated. A trial counts as diverged only from the step at which it diverged.
    """
    records = results.records_of(trials["trial"]).sort_values("step")
    diverged = trials.loc[trials["status"] == "diverged", "trial"]
    if step is not None:
        diverged = diverged[diverged.map(records.groupby("trial")["step"].max()) <= step]
    moment = END if step is None else {"step": step}
    measured = Quantity.parse(quantity)
    values = measured.of_trials(trials[~trials["trial"].isin(diverged)], records, moment)
    finite = [value if math.isfinite(value) else math.nan for value in values]
    return Measurement(
        over_seeds=statistics.mean(finite, measured.support) if finite else None,
        seeds=len(trials),
        diverged=len(diverged),
    )


def best_point(points: Mapping[Key, Measurement]) -> Key | None:
    """Return the point with the highest mean, the first of equals; None if none has a mean.

    As in the leaderboard, a point with diverged seeds comes after all points without.
    """
    measured = [key for key, value in points.items() if not math.isnan(value.mean)]
    return min(
        measured, key=lambda key: (points[key].diverged_share, -points[key].mean), default=None
    )


def format_workers(workers: int, trials: pd.DataFrame) -> str:
    """Return a number of workers, with a note if they shared CPUs or were on several machines."""
    note = "oversubscribed" if trials["oversubscribed"].any() else ""
    return " ".join(filter(None, [str(workers), note, describe_machines(trials)]))


def format_converged_repeats(trials: pd.DataFrame, column: str) -> str:
    """Return `format_repeats` of the trials that did not diverge, and how many did.

    A trial that diverges ends early, so its seconds are not comparable.
    """
    diverged = trials["status"] == "diverged"
    if diverged.all():
        return "diverged"
    text = format_repeats(trials.loc[~diverged, column])
    return _with_diverged(text, int(diverged.sum()), len(trials))


def _with_diverged(text: str, diverged: int, total: int) -> str:
    return f"{text} ({diverged} of {total} diverged)" if diverged else text


def format_repeats(values: pd.Series, support: Support = NON_NEGATIVE) -> str:
    """Return the mean of one value per repeat, with its 95% interval.

    An infinite value stands for a target that was not reached. Times, rates and their ratios are
    not negative.
    """
    missed = sum(math.isinf(value) for value in values)
    if missed:
        in_some = "" if missed == len(values) else f" in {missed} of {len(values)}"
        return f"not reached{in_some}"
    mean = statistics.mean(values, support)
    return format_mean("", mean.mean, mean.low, mean.high)
