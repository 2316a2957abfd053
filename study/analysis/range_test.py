"""The learning-rate range test: from the curve of a ramp to a suggested learning rate.

A curve is the loss over a rising learning rate, which tools read by different rules (see
`study.analysis.range_rules`). A tool always answers, whatever the curve shows. Here, its answer is
flagged if the loss does not fall, has not begun to fall, or has risen again. The rule of CS5260
refuses instead: "no true minimum". A flag or a refusal comes with advice on which ramp would show a
learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import TrainConfig
from lenet.run_length import RunLength
from search_spaces.lr_range import RAMPS
from study.analysis import statistics
from study.analysis.ramp_shape import (
    AFTER_THE_RISE,
    AT_THE_START,
    BEFORE_THE_FALL,
    BEGINS_TOO_HIGH,
    ENDS_TOO_LOW,
    REPEATED_RATES,
    TOO_SHORT,
    Problem,
    Shape,
    shape_of,
)
from study.analysis.range_rules import Rule
from study.analysis.results import Results
from study.analysis.wording import describe_settings

RAMP = "ramp-"
"""Prefix of the schedules that are ramps."""

_MIN_POINTS = 5
_EDGE = 0.02
"""Share of a curve that counts as its start, and as its end."""
_BEFORE_THE_FALL = 0.1
"""A learning rate below this share of the one at which the loss has fallen is flagged. Its steps
are at least ten times shorter than the first steps that are seen to lower the loss."""

Curve = pd.DataFrame
"""A row per record in the order of steps, with `step`, `lr` and `loss`. The last loss is NaN or
infinite if the trial diverged."""


@dataclass(frozen=True)
class Reading:
    """The learning rate that a rule reads off one curve."""

    lr: float | None
    """None if the rule refuses, or has too few records"""
    problem: Problem | None = None
    """why there is no learning rate, or why it is not to be trusted"""

    @property
    def advice(self) -> str:
        """What is wrong and how to change the ramp; empty without a problem."""
        return self.problem.advice if self.problem else ""


@dataclass(frozen=True)
class Suggestion:
    """The suggestion of a rule, over the seeds of one ramp."""

    rule: Rule
    readings: Sequence[Reading]

    @property
    def lr(self) -> float | None:
        """The geometric mean over the seeds with an answer; None unless most seeds have one."""
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
        return 10**over_seeds.low, 10**over_seeds.high

    @property
    def refusal(self) -> str:
        """What the rule says if it names no learning rate."""
        return "no true minimum" if self.rule.can_refuse else "no answer"

    @property
    def seeds_without_answer(self) -> int:
        """The number of seeds for which the rule names no learning rate."""
        return len(self.readings) - len(self._decades)

    @property
    def problem(self) -> Problem | None:
        """The most common problem of the seeds; None if they have none.

        If `lr` is a number, the problem is a flag: the rule follows noise or the ramp's start. It
        is then None unless at least half of the seeds have one.
        """
        is_missing = self.lr is None
        problems = [r.problem for r in self.readings if r.problem and (r.lr is None) == is_missing]
        if not is_missing and 2 * len(problems) < len(self.readings):
            return None
        return max(dict.fromkeys(problems), key=problems.count, default=None)

    @property
    def advice(self) -> str:
        """The most common advice of the seeds without an answer."""
        advice = [reading.advice for reading in self.readings if reading.lr is None]
        return max(dict.fromkeys(advice), key=advice.count, default="")

    @property
    def _decades(self) -> list[float]:
        return [math.log10(reading.lr) for reading in self.readings if reading.lr is not None]


def trial_curve(records: pd.DataFrame, quantity: str) -> Curve:
    """Return the curve of one trial, from those of its records that have a `quantity`."""
    curve = records[["step", "lr", quantity, "diverged"]].rename(columns={quantity: "loss"})
    curve = curve.sort_values("step").astype({"loss": float, "diverged": bool})
    has_loss = curve["loss"].notna() | curve["diverged"]
    return curve.loc[has_loss, ["step", "lr", "loss"]].reset_index(drop=True)


def smooth_losses(curve: Curve, decay: float) -> np.ndarray:
    """Return the exponential moving average of finite losses, with Adam's bias correction.

    `decay`: per step, not per record.
    """
    steps = np.diff(curve["step"].to_numpy(), prepend=0)
    mean, weight, means = 0.0, 0.0, []
    for loss, factor in zip(curve["loss"], decay**steps, strict=True):
        mean = factor * mean + (1 - factor) * loss
        weight = factor * weight + (1 - factor)
        means.append(mean / weight)
    return np.asarray(means)


def read_curve(curve: Curve, rule: Rule, *, planned: int, ended_early: bool) -> Reading:
    """Apply `rule` to `curve`.

    `planned`: the number of records that the whole ramp has. `ended_early`: the loss ended the
    ramp, by a blow-up or by a divergence, so it was not still falling at the end.
    """
    lrs, losses = (curve[name].to_numpy(dtype=float) for name in ("lr", "loss"))
    finite = losses[np.isfinite(losses)]
    if len(finite) < _MIN_POINTS:
        return Reading(None, BEGINS_TOO_HIGH if ended_early else TOO_SHORT)
    if rule.divides_by_lr and not (np.diff(lrs) > 0).all():
        return Reading(None, REPEATED_RATES)
    if np.isnan(losses[-1]):
        # A tool would go on to the end of the ramp, and read a NaN at each iteration.
        rest = np.full(max(0, planned - len(losses)), np.nan)
        lrs, losses = np.append(lrs, rest), np.append(losses, rest)
    index = rule.pick(lrs, losses, planned)
    if index is None or index >= len(curve):
        return Reading(None, BEGINS_TOO_HIGH if ended_early else TOO_SHORT)
    shape = shape_of(finite, diverged=ended_early)
    lr = rule.suggested_lr(lrs, index)
    edge = max(1, round(_EDGE * len(finite)))
    start, end = rule.skipped(planned) + edge, len(finite) - rule.dropped - edge
    if rule.at_minimum:
        problem = _problem_of_minimum(shape, index, start, end, ended_early=ended_early)
    else:
        problem = _problem_of_slope(shape, index, start, lrs)
    return Reading(None if problem and rule.can_refuse else lr, problem)


def _problem_of_minimum(
    shape: Shape, index: int, start: int, end: int, *, ended_early: bool
) -> Problem | None:
    if shape.problem:
        return shape.problem
    if shape.falls_at_end or (index >= end and not ended_early):
        return ENDS_TOO_LOW
    # Check only the minimum: on a short ramp, a tenth of its rate is meant to precede the fall.
    return BEGINS_TOO_HIGH if index < start else None


def _problem_of_slope(shape: Shape, index: int, start: int, lrs: np.ndarray) -> Problem | None:
    if shape.problem:
        return shape.problem
    if index <= start:
        return AT_THE_START if shape.onset <= start else BEFORE_THE_FALL
    if index >= shape.rise:
        return AFTER_THE_RISE
    return BEFORE_THE_FALL if lrs[index] < _BEFORE_THE_FALL * lrs[shape.onset] else None


def suggest(results: Results, trials: pd.DataFrame, rule: Rule, quantity: str) -> Suggestion:
    """Apply `rule` to the curves of `quantity` of `trials`, which differ only in the seed."""
    readings = []
    for trial in trials.to_dict("records"):
        records = results.records[results.records["trial"] == trial["trial"]]
        length = _whole_length(trial)
        readings.append(
            read_curve(
                trial_curve(records, quantity),
                rule,
                planned=length.records,
                # A ramp ends early only if its loss blows up or diverges.
                ended_early=trial["status"] == "diverged" or trial["step"] < length.total_steps,
            )
        )
    return Suggestion(rule, readings)


def _whole_length(trial: Mapping[Hashable, Any]) -> RunLength:
    """Return the length that the trial of a ramp has if it does not end early."""
    names = ("batch_size", "epochs", "steps", "record_every")
    known = {name: trial.get(name) for name in names}
    settings = {name: None if pd.isna(value) else int(value) for name, value in known.items()}
    samples = round(trial["samples"] / trial["epoch"])
    return RunLength(TrainConfig.from_dict(settings), samples)


def ramp_trials(results: Results) -> pd.DataFrame:
    """Return the trials with a result that are ramps."""
    return results.completed[results.completed["schedule"].astype(str).str.startswith(RAMP)]


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
