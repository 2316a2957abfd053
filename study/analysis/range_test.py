"""The learning-rate range test: from the curve of a ramp to a learning rate.

A curve is the loss over a rising learning rate. Tools go by different rules, some of them under the
same name; each is here with what it smooths and where it looks. "No true minimum" is an answer:
the ramp does not show what the rule looks for, and the reading says which ramp would.
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
from study.analysis.wording import label, value_text

RAMP = "ramp-"
"""What the names of schedules that are ramps begin with."""

_FEWEST_POINTS = 5
_EDGE = 0.02
"""Share of a curve that counts as its start, or its end."""
_FALL = 0.95
"""A loss that never falls below this share of what it began with has learned nothing."""

Curve = pd.DataFrame
"""A row per record in the order of the steps: `step`, `lr` and `loss`, all of them finite."""


@dataclass(frozen=True)
class Rule:
    """A way to read a learning rate off a curve."""

    name: str
    says: str
    """its definition, in words"""
    source: str
    smoothing: float
    """how much of the running mean is left after one more step; 0: none"""
    pick: Callable[[np.ndarray, np.ndarray], float]
    """(learning rates, smoothed losses) to the learning rate"""
    at_minimum: bool = False
    """whether it looks for the lowest loss, which must lie inside the ramp then"""


@dataclass(frozen=True)
class Reading:
    """What a rule reads off one curve."""

    lr: float | None
    """None where the curve has no true minimum"""
    advice: str = ""
    """what to change about the ramp, where it has none"""


@dataclass(frozen=True)
class Suggestion:
    """A rule's learning rate over the seeds of one ramp."""

    rule: Rule
    readings: Sequence[Reading]

    @property
    def lr(self) -> float | None:
        """The geometric mean over the seeds with a minimum, None unless most of them have one."""
        decades = self._decades
        if 2 * len(decades) <= len(self.readings):
            return None
        return float(10 ** np.mean(decades))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% Student-t interval of that mean, taken over its logarithms; None for one."""
        decades = self._decades
        if self.lr is None or len(decades) < 2:
            return None
        over_seeds = statistics.mean(decades)
        return (
            10 ** (over_seeds.mean - over_seeds.half_width),
            10 ** (over_seeds.mean + over_seeds.half_width),
        )

    @property
    def without(self) -> int:
        """How many seeds have no true minimum."""
        return len(self.readings) - len(self._decades)

    @property
    def advice(self) -> str:
        """What most of the seeds without a minimum ask for."""
        given = [reading.advice for reading in self.readings if reading.lr is None]
        return max(dict.fromkeys(given), key=given.count, default="")

    @property
    def _decades(self) -> list[float]:
        return [math.log10(reading.lr) for reading in self.readings if reading.lr is not None]


def curve_of(records: pd.DataFrame, quantity: str) -> Curve:
    """The curve of one trial: its records where `quantity` is finite."""
    curve = records[["step", "lr", quantity]].rename(columns={quantity: "loss"})
    curve = curve.sort_values("step").astype({"loss": float})
    return curve[np.isfinite(curve["loss"])].reset_index(drop=True)


def smoothed(curve: Curve, kept: float) -> np.ndarray:
    """The losses as an exponential moving mean, `kept` of which is left after one more step,
    without the bias that its start has (Adam's correction)."""
    losses = curve["loss"].to_numpy()
    if not kept:
        return losses
    steps = np.diff(curve["step"].to_numpy(), prepend=0)
    mean, weight, means = 0.0, 0.0, []
    for loss, share in zip(losses, kept**steps, strict=True):
        mean = share * mean + (1 - share) * loss
        weight = share * weight + (1 - share)
        means.append(mean / weight)
    return np.asarray(means)


def read(curve: Curve, rule: Rule, *, blown_up: bool) -> Reading:
    """What `rule` reads off `curve`; `blown_up` says that its loss ended the ramp, which cannot
    have been still falling then."""
    if len(curve) < _FEWEST_POINTS:
        if blown_up:
            return Reading(None, "the loss blows up at once: begin the ramp lower")
        return Reading(None, "the ramp has too few records: make it longer")
    losses = smoothed(curve, rule.smoothing)
    edge = max(1, round(_EDGE * len(losses)))
    least = int(np.argmin(losses))
    if least < edge:
        return Reading(None, "the loss rises from the start: begin the ramp lower")
    if losses[least] > _FALL * losses[:edge].mean():
        return Reading(None, "the loss stays flat: make the ramp longer, or begin it lower")
    if rule.at_minimum and least >= len(losses) - edge and not blown_up:
        return Reading(None, "the loss still falls at the end: end the ramp higher")
    lrs = curve["lr"].to_numpy()
    if rule.at_minimum:
        return Reading(rule.pick(lrs, losses))
    # A slope needs learning rates that differ: where the ramp stays at one, its mean loss.
    levels = pd.Series(losses).groupby(lrs).mean()
    if len(levels) < _FEWEST_POINTS:
        return Reading(None, "the ramp has too few learning rates: make it longer")
    return Reading(rule.pick(levels.index.to_numpy(), levels.to_numpy()))


def suggest(results: Results, trials: pd.DataFrame, rule: Rule, quantity: str) -> Suggestion:
    """What `rule` reads off `quantity` of `trials`, which differ in the seed alone."""
    readings = []
    for trial in trials.to_dict("records"):
        records = results.records[results.records["trial"] == trial["trial"]]
        # Only its loss ends a ramp before its time.
        whole = "epoch" if pd.isna(trial["steps"]) else "step"
        blown_up = trial["status"] == "diverged" or trial[whole] < trial[f"{whole}s"] - 1e-9
        readings.append(read(curve_of(records, quantity), rule, blown_up=blown_up))
    return Suggestion(rule, readings)


def ramps(results: Results) -> pd.DataFrame:
    """The trials that are ramps and have a result."""
    return results.counted[results.counted["schedule"].str.startswith(RAMP)]


def by_ramp(trials: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The ramps among these trials: a name, and the trials that are this ramp."""
    found = []
    for (schedule, lr), inside in trials.groupby(["schedule", "lr"]):
        name = ramp_name(str(schedule), float(str(lr)))
        varied = [n for n in SHAPE if n in inside and inside[n].nunique(dropna=False) > 1]
        if not varied:
            found.append((name, inside))
            continue
        for key, part in inside.groupby(varied, dropna=False):
            said = ", ".join(
                f"{label(n)} {value_text(v)}" for n, v in zip(varied, key, strict=True)
            )
            found.append((f"{name}, {said}", part))
    return found


SHAPE = ("final_lr", "gamma", "blow_up", "epochs", "steps")
"""What else makes a ramp another one."""


def ramp_name(schedule: str, lr: float) -> str:
    """A ramp of `search_spaces.lr_range` by its name there, any other by how it begins."""
    for name, ramp in RAMPS.items():
        if ramp["schedule"] == schedule and math.isclose(float(ramp["lr"]), lr):
            return name
    return f"{schedule.removeprefix(RAMP)} from {lr:g}"


def trained_at(lr: float) -> float:
    """The nearest of 1, 2 and 5 times a power of ten, in which suggestions are verified: rules
    that nearly agree share a training."""
    power = math.floor(math.log10(lr))
    near = [digit * 10.0**at for at in (power, power + 1) for digit in (1, 2, 5)]
    # As it is written: 2e-05, not 2.0000000000000003e-05.
    return float(f"{min(near, key=lambda one: abs(math.log(one / lr))):.0e}")


def _a_tenth_of_the_minimum(lrs: np.ndarray, losses: np.ndarray) -> float:
    return float(lrs[np.argmin(losses)]) / 10


def _steepest_in_log_lr(lrs: np.ndarray, losses: np.ndarray) -> float:
    return float(lrs[np.argmin(np.gradient(losses, np.log(lrs)))])


def _steepest_in_lr(lrs: np.ndarray, losses: np.ndarray) -> float:
    first = min(len(lrs) // 10, len(lrs) - _FEWEST_POINTS)
    last = len(lrs) - len(lrs) // 100
    lrs, losses = lrs[first:last], losses[first:last]
    return float(lrs[np.argmin(np.gradient(losses, lrs))])


def _valley(lrs: np.ndarray, losses: np.ndarray) -> float:
    # Longest falling subsequence up to each point: the least of the negatives of its ends.
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
"""Every rule. The first and the last differ in what is smoothed."""
