"""The rule for verdicts: from values per seed to reproduced, not reproduced or undecided.

A claim puts a number, such as the difference of two accuracies, into a range. It is *reproduced*
if the 95% interval of every point of the claim lies inside the range. It is *not reproduced* if the
interval of some point lies outside; the points share the 5% error (Bonferroni), because otherwise
one of twenty would lie outside by chance. Else it is *undecided*. To reproduce a claim about every
point takes no such correction (Berger, Multiparameter Hypothesis Testing and Acceptance Sampling,
Technometrics 24, 1982). One seed has no interval and decides nothing, unless the study is not
stochastic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from study.analysis import statistics

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
NOT_TESTED = "not tested"

_MAX_LISTED = 6


@dataclass(frozen=True)
class Verdict:
    """The outcome of testing a claim."""

    verdict: str
    evidence: str
    """the measured numbers, or why there are none"""


@dataclass(frozen=True)
class SeedValues:
    """One number that a claim is about, with a value per seed."""

    name: str
    """which point of the claim it belongs to; empty if there is only one"""
    values: Sequence[float]


@dataclass(frozen=True)
class Bounds:
    """The values that a claim allows, both ends excluded; infinity lies inside an open end."""

    low: float = -math.inf
    high: float = math.inf

    def __contains__(self, value: float) -> bool:
        above = value > self.low or self.low == -math.inf
        return above and (value < self.high or self.high == math.inf)

    def overlaps(self, interval: tuple[float, float]) -> bool:
        """Return True if some of `interval` lies inside."""
        low, high = interval
        return low in self if low == high else high >= self.low and low <= self.high


def judge(
    points: Sequence[SeedValues],
    allowed: Bounds,
    format_number: Callable[[float], str],
    *,
    stochastic: bool,
) -> Verdict:
    """Judge the claim that all points lie in the range `allowed`.

    `format_number`: writes a value for the evidence. `stochastic`: whether the values depend on the
    seed; if not, a single one is enough.
    """
    if not points:
        return Verdict(NOT_TESTED, "no trial of this run is about it")
    missing = [point.name for point in points if any(map(math.isnan, point.values))]
    if missing:
        where = f" for {missing[0]}" if missing[0] else ""
        return Verdict(NOT_TESTED, f"this run has no record of it at that moment{where}")
    evidence = "; ".join(
        _describe(point, format_number, stochastic) for point in points[:_MAX_LISTED]
    )
    if len(points) > _MAX_LISTED:
        evidence += f"; and {len(points) - _MAX_LISTED} more"
    if stochastic and any(len(point.values) < 2 for point in points):
        return Verdict(UNDECIDED, f"one seed has no interval: {evidence}")
    intervals = [_interval(point, statistics.CONFIDENCE, stochastic) for point in points]
    if all(end in allowed for interval in intervals for end in interval):
        return Verdict(REPRODUCED, evidence)
    shared = 1 - (1 - statistics.CONFIDENCE) / len(points)
    outside = [p for p in points if not allowed.overlaps(_interval(p, shared, stochastic))]
    if outside:
        against = ", ".join(point.name or "it" for point in outside[:_MAX_LISTED])
        return Verdict(NOT_REPRODUCED, f"against it: {against}. {evidence}")
    return Verdict(UNDECIDED, f"an interval straddles: {evidence}")


def _describe(point: SeedValues, format_number: Callable[[float], str], stochastic: bool) -> str:
    text = format_number(float(np.mean(point.values)))
    if len(point.values) > 1 and stochastic:
        low, high = _interval(point, statistics.CONFIDENCE, stochastic)
        text += f" [{format_number(low)}, {format_number(high)}]"
    return f"{point.name}: {text}" if point.name else text


def _interval(point: SeedValues, confidence: float, stochastic: bool) -> tuple[float, float]:
    values = np.asarray(point.values, dtype=float)
    if not np.isfinite(values).all():
        # Equal infinities of all seeds are certain; an infinity of some seeds says nothing.
        equal = (values == values[0]).all()
        return (values[0], values[0]) if equal else (-math.inf, math.inf)
    if not stochastic:
        return float(values.min()), float(values.max())
    seeds = statistics.mean(values, confidence)
    return seeds.mean - seeds.half_width, seeds.mean + seeds.half_width
