"""The learning-rate range test: from the curve of a ramp to a suggested learning rate.

A curve is the loss over a rising learning rate. Tools read it by different rules, some of which
share a name; each rule here defines what it smooths and what it looks for. If the curve does not
show that, the reading is "no true minimum", with advice on which ramp would.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from search_spaces.lr_range import RAMPS
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.wording import describe_settings

RAMP = "ramp-"
"""Prefix of the schedules that are ramps."""

_MIN_POINTS = 5
_EDGE = 0.02
"""Share of a curve that counts as its start, and as its end."""
_MIN_FALL = 0.95
"""A loss that never falls below this share of its initial value counts as flat."""

Curve = pd.DataFrame
"""A row per record in the order of steps, with finite `step`, `lr` and `loss`."""


@dataclass(frozen=True)
class Rule:
    """A rule that reads a learning rate off a curve."""

    name: str
    definition: str
    source: str
    smoothing: float
    """decay per step of the exponential moving average; 0: no smoothing"""
    pick: Callable[[np.ndarray, np.ndarray], float]
    """maps (learning rates, smoothed losses) to the learning rate"""
    at_minimum: bool = False
    """whether the rule looks for the lowest loss, which must then lie inside the ramp"""


@dataclass(frozen=True)
class Reading:
    """The learning rate that a rule reads off one curve."""

    lr: float | None
    """None if the curve has no true minimum"""
    advice: str = ""
    """how to change the ramp if the curve has no true minimum"""


@dataclass(frozen=True)
class Suggestion:
    """The suggestion of a rule, over the seeds of one ramp."""

    rule: Rule
    readings: Sequence[Reading]

    @property
    def lr(self) -> float | None:
        """The geometric mean over seeds with a minimum; None unless most seeds have one."""
        decades = self._decades
        if 2 * len(decades) <= len(self.readings):
            return None
        return float(10 ** np.mean(decades))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% Student-t interval of `lr`, computed over log10; None for one seed."""
        decades = self._decades
        if self.lr is None or len(decades) < 2:
            return None
        over_seeds = statistics.mean(decades)
        return (
            10 ** (over_seeds.mean - over_seeds.half_width),
            10 ** (over_seeds.mean + over_seeds.half_width),
        )

    @property
    def seeds_without_minimum(self) -> int:
        """The number of seeds without a true minimum."""
        return len(self.readings) - len(self._decades)

    @property
    def advice(self) -> str:
        """The most common advice of the seeds without a minimum."""
        advice = [reading.advice for reading in self.readings if reading.lr is None]
        return max(dict.fromkeys(advice), key=advice.count, default="")

    @property
    def _decades(self) -> list[float]:
        return [math.log10(reading.lr) for reading in self.readings if reading.lr is not None]


def trial_curve(records: pd.DataFrame, quantity: str) -> Curve:
    """Return the curve of one trial, from those of its records with a finite `quantity`."""
    curve = records[["step", "lr", quantity]].rename(columns={quantity: "loss"})
    curve = curve.sort_values("step").astype({"loss": float})
    return curve[np.isfinite(curve["loss"])].reset_index(drop=True)


def smooth_losses(curve: Curve, decay: float) -> np.ndarray:
    """Return the exponential moving average of the losses, with Adam's bias correction.

    `decay`: per step, not per record.
    """
    losses = curve["loss"].to_numpy()
    if not decay:
        return losses
    steps = np.diff(curve["step"].to_numpy(), prepend=0)
    mean, weight, means = 0.0, 0.0, []
    for loss, factor in zip(losses, decay**steps, strict=True):
        mean = factor * mean + (1 - factor) * loss
        weight = factor * weight + (1 - factor)
        means.append(mean / weight)
    return np.asarray(means)


def read_curve(curve: Curve, rule: Rule, *, diverged: bool) -> Reading:
    """Apply `rule` to `curve`.

    `diverged`: the loss ended the ramp early, so it was not still falling at the end.
    """
    if len(curve) < _MIN_POINTS:
        if diverged:
            return Reading(None, "the loss blows up at once: begin the ramp lower")
        return Reading(None, "the ramp has too few records: make it longer")
    losses = smooth_losses(curve, rule.smoothing)
    edge = max(1, round(_EDGE * len(losses)))
    lowest = int(np.argmin(losses))
    if lowest < edge:
        return Reading(None, "the loss rises from the start: begin the ramp lower")
    if losses[lowest] > _MIN_FALL * losses[:edge].mean():
        return Reading(None, "the loss stays flat: make the ramp longer, or begin it lower")
    if rule.at_minimum and lowest >= len(losses) - edge and not diverged:
        return Reading(None, "the loss still falls at the end: end the ramp higher")
    lrs = curve["lr"].to_numpy()
    if rule.at_minimum:
        return Reading(rule.pick(lrs, losses))
    # A slope needs distinct learning rates: where the ramp stays at one, take the mean loss.
    levels = pd.Series(losses).groupby(lrs).mean()
    if len(levels) < _MIN_POINTS:
        return Reading(None, "the ramp has too few learning rates: make it longer")
    return Reading(rule.pick(levels.index.to_numpy(), levels.to_numpy()))


def suggest(results: Results, trials: pd.DataFrame, rule: Rule, quantity: str) -> Suggestion:
    """Apply `rule` to the curves of `quantity` of `trials`, which differ only in the seed."""
    readings = []
    for trial in trials.to_dict("records"):
        records = results.records[results.records["trial"] == trial["trial"]]
        # A ramp ends early only if its loss diverges.
        unit = "epoch" if pd.isna(trial["steps"]) else "step"
        diverged = trial["status"] == "diverged" or trial[unit] < trial[f"{unit}s"] - 1e-9
        readings.append(read_curve(trial_curve(records, quantity), rule, diverged=diverged))
    return Suggestion(rule, readings)


def ramp_trials(results: Results) -> pd.DataFrame:
    """Return the trials with a result that are ramps."""
    return results.completed[results.completed["schedule"].str.startswith(RAMP)]


def split_by_ramp(trials: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return (name, trials) of every ramp among these trials."""
    ramps = []
    for (schedule, lr), group in trials.groupby(["schedule", "lr"]):
        name = ramp_name(str(schedule), float(str(lr)))
        varied = [n for n in RAMP_SETTINGS if n in group and group[n].nunique(dropna=False) > 1]
        if not varied:
            ramps.append((name, group))
            continue
        for key, ramp in group.groupby(varied, dropna=False):
            settings = describe_settings(dict(zip(varied, key, strict=True)))
            ramps.append((f"{name}, {settings}", ramp))
    return ramps


RAMP_SETTINGS = ("final_lr", "gamma", "blow_up", "epochs", "steps")
"""Settings that distinguish ramps of the same schedule and initial learning rate."""


def ramp_name(schedule: str, lr: float) -> str:
    """Return the name of a ramp in `search_spaces.lr_range`, or a description of any other."""
    for name, ramp in RAMPS.items():
        if ramp["schedule"] == schedule and math.isclose(float(ramp["lr"]), lr):
            return name
    return f"{schedule.removeprefix(RAMP)} from {lr:g}"


def verification_lr(lr: float) -> float:
    """Round a suggestion to 1, 2 or 5 times a power of ten.

    Suggestions are verified at rounded values, so rules that nearly agree share a trial.
    """
    decade = math.floor(math.log10(lr))
    candidates = [digit * 10.0**power for power in (decade, decade + 1) for digit in (1, 2, 5)]
    nearest = min(candidates, key=lambda candidate: abs(math.log(candidate / lr)))
    return float(f"{nearest:.0e}")  # 2e-05, not 2.0000000000000003e-05


def _a_tenth_of_the_minimum(lrs: np.ndarray, losses: np.ndarray) -> float:
    return float(lrs[np.argmin(losses)]) / 10


def _steepest_in_log_lr(lrs: np.ndarray, losses: np.ndarray) -> float:
    return float(lrs[np.argmin(np.gradient(losses, np.log(lrs)))])


def _steepest_in_lr(lrs: np.ndarray, losses: np.ndarray) -> float:
    first = min(len(lrs) // 10, len(lrs) - _MIN_POINTS)
    last = len(lrs) - len(lrs) // 100
    lrs, losses = lrs[first:last], losses[first:last]
    return float(lrs[np.argmin(np.gradient(losses, lrs))])


def _valley(lrs: np.ndarray, losses: np.ndarray) -> float:
    # ends[n]: the negated last loss of the best falling subsequence of length n + 1 so far.
    ends: list[float] = []
    longest, end = 0, 0
    for i, loss in enumerate(losses):
        length = bisect.bisect_left(ends, -loss)
        ends[length : length + 1] = [-loss]
        if length + 1 > longest:
            longest, end = length + 1, i
    return float(lrs[end - longest + longest // 3 + longest // 6])


ONE_ORDER_BELOW = Rule(
    "one order below",
    "a tenth of the learning rate at the lowest loss, nothing smoothed",
    "CS5260",
    0.0,
    _a_tenth_of_the_minimum,
    at_minimum=True,
)

RULES: tuple[Rule, ...] = (
    Rule(
        "minimum/10",
        "a tenth of the learning rate at the lowest loss",
        "fastai, minimum",
        0.98,
        _a_tenth_of_the_minimum,
        at_minimum=True,
    ),
    Rule(
        "steepest in log LR",
        "where the loss falls fastest by the logarithm of the learning rate",
        "pytorch-lr-finder on an exponential ramp; fastai, steep",
        0.95,
        _steepest_in_log_lr,
    ),
    Rule(
        "steepest in LR",
        "where the loss falls fastest by the learning rate itself, without the first tenth "
        "and the last hundredth of the ramp",
        "Lightning, lr_find",
        0.98,
        _steepest_in_lr,
    ),
    Rule(
        "valley",
        "the middle of the stretch, as long as the longest falling subsequence, that ends "
        "where that does",
        "fastai, valley",
        0.98,
        _valley,
    ),
    ONE_ORDER_BELOW,
)
"""All rules. The first and the last differ only in the smoothing."""
