"""The shape of a ramp's loss: does it fall, and does the ramp show where that begins and ends?

Batch losses are noisy, so a fall counts only if it exceeds the noise. The noise is estimated from
the differences of neighboring losses, whose trend is negligible: their median absolute deviation
over 0.6745 * sqrt(2), as for a normal distribution (Gasser, Sroka and Jennen-Steinmetz, Residual
Variance and Residual Pattern in Nonlinear Regression, Biometrika 73, 1986; the median because the
last losses of a ramp blow up). Levels are means of stretches of 5% of the curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_LEVELS = 20
_STANDARD_ERRORS = 4.0
"""A level differs from the first if it is at least this many standard errors away. By chance, the
lowest of 20 normal levels does so in about one of 1,000 curves."""
_MIN_CHANGE = 0.05
"""It must also be 5% of the first away: along a flat ramp, a net drifts by 1 or 2%."""


@dataclass(frozen=True)
class Problem:
    """A reason why a ramp shows no learning rate, or why a rule's answer is not to be trusted."""

    note: str
    """in a few words, for a column of a table"""
    advice: str
    """the same in a sentence, with what to do"""


TOO_SHORT = Problem(
    "too few records",
    "the ramp has too few records: give it more steps (--set epochs=...)",
)
REPEATED_RATES = Problem(
    "rates repeat",
    "the ramp stays at each learning rate for several steps, and the rule divides by the rise "
    "between them: use another ramp (--ramps exponential)",
)
FLAT = Problem(
    "flat",
    "the loss stays flat over the whole ramp: give it more steps (--set epochs=...), or end it "
    "higher (--set final_lr=...)",
)
TOO_FAST = Problem(
    "flat, then rises",
    "the loss stays flat until it rises: the ramp passes the good learning rates too fast, give it "
    "more steps (--set epochs=...)",
)
BEGINS_TOO_HIGH = Problem(
    "rises at once",
    "the loss rises from the first learning rate on: begin the ramp lower (--set lr=...)",
)
ENDS_TOO_LOW = Problem(
    "falls at the end",
    "the loss still falls at the end: end the ramp higher (--set final_lr=...)",
)
AT_THE_START = Problem(
    "the ramp's start",
    "the rule's learning rate is among the first that it reads, because the loss falls from there "
    "on: begin the ramp lower (--set lr=...)",
)
BEFORE_THE_FALL = Problem(
    "before the fall",
    "the rule's learning rate is where the loss has not begun to fall: it follows noise",
)
AFTER_THE_RISE = Problem(
    "after the rise",
    "the rule's learning rate is where the loss has risen again: it is too high",
)


@dataclass(frozen=True)
class Shape:
    """The shape of a ramp's loss: where it falls, and where it rises again."""

    problem: Problem | None
    """why the curve shows no learning rate; None if the loss falls"""
    onset: int = 0
    """index of the first record of the level at which the loss has fallen; 0 if it does not fall"""
    falls_at_end: bool = False
    """whether the last level is the lowest"""
    rise: int = 0
    """index of the first record of the level at which the loss has risen again after the lowest
    one; the number of records if it has not"""


def shape_of(losses: np.ndarray, *, diverged: bool) -> Shape:
    """Return the shape of a curve of `losses`, a finite value per record, in their order.

    `diverged`: the loss ended the ramp early, so it rose after the last record.
    """
    stretches = np.array_split(np.arange(len(losses)), min(_LEVELS, len(losses)))
    levels = np.array([losses[stretch].mean() for stretch in stretches])
    size = len(losses) / len(levels)
    differences = np.diff(losses)
    noise = float(np.median(np.abs(differences - np.median(differences)))) / (0.6745 * math.sqrt(2))
    threshold = max(_STANDARD_ERRORS * noise * math.sqrt(2 / size), _MIN_CHANGE * levels[0])
    fallen = levels < levels[0] - threshold
    if fallen.any():
        lowest = int(np.argmin(levels))
        falls_at_end = not diverged and lowest == len(levels) - 1
        higher = np.flatnonzero(levels[lowest:] > levels[lowest] + threshold)
        rise = int(stretches[lowest + higher[0]][0]) if len(higher) else len(losses)
        return Shape(None, int(stretches[np.argmax(fallen)][0]), falls_at_end, rise)
    risen = levels > levels[0] + threshold
    if not risen.any() and not diverged:
        return Shape(FLAT)
    flat = int(np.argmax(risen)) if risen.any() else len(levels)
    # Up to two flat levels still count as rising at once: the rise may begin within the second.
    return Shape(BEGINS_TOO_HIGH if flat <= 2 else TOO_FAST)
