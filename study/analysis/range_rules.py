"""The rules of the learning-rate range test: from the losses of a ramp to a learning rate.

A rule named after a tool repeats everything that the tool does with the losses of its own test: how
it smooths them, at which rise it stops, what it drops at either end, and in which precision it
computes. Tools use the same words for different rules: three of them look for the steepest fall,
each along another axis. The tests compare the rules with the tools themselves
(`tests/golden/range_rules.py`).

A rule reads each record as one *iteration*; in the tools, each step is one.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Pick = Callable[[np.ndarray, np.ndarray, int], int | None]
"""Maps learning rates and losses of the iterations, and the planned number of iterations, to the
index of the iteration whose learning rate is picked. Arrays are float64; the last losses may be NaN
or infinite. None if the tool has too few losses and ends without an answer."""


@dataclass(frozen=True)
class Rule:
    """A rule that reads a learning rate off a curve."""

    name: str
    pick: Pick
    skipped: Callable[[int], int] = lambda planned: 0
    """maps the planned number of iterations to the number that the rule drops at the start"""
    dropped: int = 0
    """number of iterations that the rule drops at the end"""
    at_minimum: bool = False
    """whether it picks the lowest loss, and suggests a tenth of the learning rate there"""
    divides_by_lr: bool = False
    """whether it divides by the rise of the learning rate between iterations"""
    can_refuse: bool = False
    """whether "no true minimum" is one of its answers; no tool's rule ever says so"""

    def suggested_lr(self, lrs: np.ndarray, index: int) -> float:
        """Return the learning rate that the rule suggests if it picks this iteration."""
        return float(lrs[index]) / (10 if self.at_minimum else 1)


def _fastai(lrs: np.ndarray, losses: np.ndarray, planned: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the float32 learning rates and losses that fastai's suggestions read."""
    # Losses are averaged and divided in float32, as its tensors are; torch.lerp rounds once.
    average, lowest, smoothed = np.float32(0), np.float32(np.inf), []
    for count, loss in enumerate(losses.astype(np.float32), 1):
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.float64(average - loss) * np.float64(np.float32(0.98) - np.float32(1))
            average = np.float32(change + np.float64(average))
            value = average / np.float32(1 - 0.98**count)
        smoothed.append(value)
        lowest = min(lowest, value)
        if value > 4 * lowest:
            break
    first = planned // 10
    lrs, values = lrs[first : len(smoothed)].astype(np.float32)[:-5], np.array(smoothed)[first:-5]
    end = np.argmax(np.isnan(values)) if np.isnan(values).any() else len(values)
    return lrs[:end], values[:end]


def fastai_minimum(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Pick the lowest loss."""
    _, losses = _fastai(lrs, losses, planned)
    return planned // 10 + int(np.argmin(losses)) if len(losses) else None


def fastai_steep(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Pick the iteration before the steepest fall over the logarithm of the learning rate."""
    lrs, losses = _fastai(lrs, losses, planned)
    if len(losses) < 2:
        return None
    return planned // 10 + int(np.argmin(np.diff(losses) / np.diff(np.log(lrs))))


def fastai_valley(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Pick the middle of the last n iterations before the longest falling subsequence ends.

    n is the length of the subsequence; the middle is at n/3 + n/6, each rounded down.
    """
    _, losses = _fastai(lrs, losses, planned)
    if not len(losses):
        return None
    # ends[n]: the negated last loss of the best falling subsequence of length n + 1 so far.
    ends: list[float] = []
    longest, end = 1, 1
    for i, loss in enumerate(losses):
        length = bisect.bisect_left(ends, -loss)
        ends[length : length + 1] = [-loss]
        if length + 1 > longest:
            longest, end = length + 1, i
    # For the first two losses the index is -1, which to fastai is the last iteration.
    return planned // 10 + (end - longest + longest // 3 + longest // 6) % len(losses)


def fastai_slide(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Go back from the end until two slopes are alike, and pick the last iteration before that.

    The slopes, per iteration, are 15 iterations apart. They are alike if they differ by at most
    0.005.
    """
    _, losses = _fastai(lrs, losses, planned)
    picked = len(losses) - 16
    if picked < 0:
        return None
    slopes = np.gradient(losses)
    for i in range(picked, -1, -1):
        if not abs(slopes[i + 15] - slopes[i]) > np.float32(0.005):
            break
        picked = i
    return planned // 10 + picked


def lr_finder(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Pick the steepest fall over iterations, which on an exponential ramp is over log LR."""
    smoothed = [losses[0]]
    lowest = losses[0]
    for loss in losses[1:]:
        smoothed.append(0.05 * loss + (1 - 0.05) * smoothed[-1])
        lowest = min(lowest, smoothed[-1])
        if smoothed[-1] > 5 * lowest:
            break
    if len(smoothed) < 17:
        return None
    with np.errstate(invalid="ignore"):
        slopes = np.gradient(smoothed[10:-5])
    # Once a loss is NaN, NaN is numpy's lowest slope.
    return 10 + int(np.argmin(slopes))


def lightning(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Pick the steepest fall over the learning rate itself.

    Lightning divides the average by the weight that it will have one iteration later. So a constant
    loss of 1 begins at 0.505, 0.673 and 0.758. This rise hides small falls at the first learning
    rates.
    """
    average, lowest, smoothed = 0.0, math.nan, []
    for step, loss in enumerate(losses, 1):
        average = 0.98 * average + (1 - 0.98) * loss
        smoothed.append(average / (1 - 0.98 ** (step + 1)))
        if smoothed[-1] > 4 * lowest:
            break
        if step == 1 or smoothed[-1] < lowest:
            lowest = smoothed[-1]
    # The slopes, unlike the average, are computed in float32.
    values = np.array(smoothed[10:-1], dtype=np.float32)
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) < 2:
        return None
    slopes = np.gradient(values[finite], lrs[10 + finite].astype(np.float32))
    return 10 + int(finite[np.argmin(slopes)])


def one_order_below(lrs: np.ndarray, losses: np.ndarray, planned: int) -> int | None:
    """Pick the lowest loss, nothing smoothed or dropped."""
    return int(np.nanargmin(losses))


def _a_tenth(planned: int) -> int:
    return planned // 10


def _ten(planned: int) -> int:
    return 10


ONE_ORDER_BELOW = Rule("one order below", one_order_below, at_minimum=True, can_refuse=True)
"""CS5260's rule."""

RULES: tuple[Rule, ...] = (
    Rule("fastai valley", fastai_valley, _a_tenth, 5),
    Rule("fastai minimum", fastai_minimum, _a_tenth, 5, at_minimum=True),
    Rule("fastai steep", fastai_steep, _a_tenth, 5, divides_by_lr=True),
    Rule("fastai slide", fastai_slide, _a_tenth, 5),
    Rule("torch-lr-finder", lr_finder, _ten, 5),
    Rule("Lightning", lightning, _ten, 1, divides_by_lr=True),
    ONE_ORDER_BELOW,
)
"""All rules: those of fastai 2.8 (its default is valley), torch-lr-finder 0.2, Lightning 2.6 and
the CS5260 report."""
