"""The rule for verdicts: from values per seed to a verdict, and how sure it is.

A claim puts a number, such as the difference of two accuracies, into a range. It is *reproduced*
if the 95% interval of every point of the claim lies inside the range. It is *not reproduced* if the
interval of some point lies outside; the points share the 5% error (Bonferroni), because otherwise
one of twenty would lie outside by chance. Reproducing a claim about every point needs no such
correction (Berger, Multiparameter Hypothesis Testing and Acceptance Sampling, Technometrics 24,
1982). A claim of a difference may state a band around a difference of 0. It is *equivalent* if the
whole interval of every point lies inside the band, on whichever side of zero. That is two one-sided
tests at 2.5% each (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987; he tests
at 5%, by the 90% interval). Otherwise the claim is *undecided*.

As in the tables, `study.analysis.statistics` gives the intervals, which stay within the values that
the number can take. One seed has no interval and decides nothing, unless the study is not
stochastic. `docs/verdicts.md` has the rates of false verdicts, by simulation.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from study.analysis import statistics
from study.analysis.statistics import MAX_SEEDS, Support

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
EQUIVALENT = "equivalent"
UNDECIDED = "undecided"
NOT_TESTED = "not tested"

LEAST_SEEDS = 2
"""The fewest seeds that give an interval."""
MAX_LISTED = 6
"""The most points that the evidence lists."""


@dataclass(frozen=True)
class Measurement:
    """A measured number with its 95% interval: NaN for one seed, of no width if nothing is random.

    The unit is the claim's: accuracies in [0, 1], losses in nats per sample.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of testing a claim."""

    verdict: str
    evidence: str
    """the measured numbers, or why there are none"""
    seeds: int | None = None
    """seeds of the point that has the fewest; None if nothing was judged or nothing is random"""
    confidence: float | None = None
    """the highest confidence level, in [0, 1], at which the verdict would still be this one: 0.95
    or more. For an undecided claim, the highest level at which it would be decided, below 0.95"""
    seeds_needed: int | None = None
    """for an undecided claim, the number of seeds, like those counted by `seeds`, that would decide
    it if mean and spread stayed as they are; None if a thousand would not, or if the spread is
    unknown"""
    measured: Measurement | None = None
    """the mean of the point nearest to contradicting the claim; None if the claim is about none"""

    @property
    def more_seeds(self) -> int | None:
        """How many seeds would have to be added to decide the claim; None as for `seeds_needed`."""
        if self.seeds_needed is None or self.seeds is None:
            return None
        return max(1, self.seeds_needed - self.seeds)

    @property
    def certainty(self) -> str:
        """How sure the verdict is, in words; empty if nothing was judged."""
        if self.verdict == NOT_TESTED:
            return ""
        if self.seeds is None:
            return "nothing is random, so one trial decides"
        seeds = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        if self.verdict != UNDECIDED:
            return f"{seeds}; holds up to the {_percent(self.confidence)} level"
        if self.seeds < LEAST_SEEDS:
            return f"{seeds}; it takes {LEAST_SEEDS} to decide"
        if self.confidence is not None:
            seeds += f"; decided only up to the {_percent(self.confidence)} level"
        if self.more_seeds is None:
            return f"{seeds}; no number of seeds up to {MAX_SEEDS:,} is known to decide it"
        return f"{seeds}; {self.more_seeds} more would decide at this spread"


@dataclass(frozen=True)
class SeedValues:
    """One number that a claim is about, with a value per seed."""

    name: str
    """which point of the claim it belongs to; empty if there is only one"""
    values: Sequence[float]
    both_diverged: int = 0
    """seeds in which both sides of a difference diverged; their values are NaN"""


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


@dataclass(frozen=True)
class Rule:
    """What a claim allows, and how its points are judged."""

    allowed: Bounds
    support: Support
    """the values that the points can take"""
    stochastic: bool = True
    """whether the values depend on the seed; if not, a single one is enough"""
    band: float | None = None
    """a difference of less than this, in either direction, counts as none"""

    def decide(
        self, points: Sequence[SeedValues], confidence: float = statistics.CONFIDENCE
    ) -> tuple[str, Sequence[SeedValues]]:
        """Return the verdict at this confidence level, and the points that contradict the claim.

        `points`: at least one, with at least two seeds each if the study is stochastic. A value is
        missing only where two trials both diverged.
        """
        intervals = [self.interval(point, confidence) for point in points]

        def all_inside(bounds: Bounds) -> bool:
            return all(end in bounds for interval in intervals for end in interval)

        if self.band is not None and all_inside(Bounds(-self.band, self.band)):
            return EQUIVALENT, ()
        if all_inside(self.allowed):
            return REPRODUCED, ()
        shared = 1 - (1 - confidence) / len(points)
        against = [point for point in points if self._excludes(point, shared)]
        return (NOT_REPRODUCED if against else UNDECIDED), against

    def interval(self, point: SeedValues, confidence: float) -> tuple[float, float]:
        """Return the interval of the mean of a point; infinite if some of its values are."""
        values = np.asarray(point.values, dtype=float)
        if not np.isfinite(values).all():
            # Equal infinities of all seeds are certain; an infinity of some seeds says nothing.
            equal = (values == values[0]).all()
            return (values[0], values[0]) if equal else (-math.inf, math.inf)
        if not self.stochastic:
            return float(values.min()), float(values.max())
        seeds = statistics.mean(values, self.support, confidence)
        return seeds.low, seeds.high

    def measure(self, point: SeedValues) -> Measurement:
        """Return the mean of a point with its interval."""
        value = float(np.mean(point.values))
        if self.stochastic and len(point.values) < LEAST_SEEDS:
            return Measurement(value, math.nan, math.nan)
        return Measurement(value, *self.interval(point, statistics.CONFIDENCE))

    def distance_inside(self, measured: Measurement) -> float:
        """Return how far the mean lies inside what the claim allows; negative if outside."""
        distance = min(measured.value - self.allowed.low, self.allowed.high - measured.value)
        return -math.inf if math.isnan(distance) else distance

    def _excludes(self, point: SeedValues, confidence: float) -> bool:
        # Where both sides always diverge, neither is ahead, nor are they alike: nothing was
        # learned to compare.
        if point.both_diverged == len(point.values):
            return True
        return not self.allowed.overlaps(self.interval(point, confidence))


def judge(
    points: Sequence[SeedValues], rule: Rule, format_number: Callable[[float], str]
) -> Verdict:
    """Judge the claim that all points lie in the range that the rule allows.

    `format_number`: writes a value for the evidence.
    """
    if not points:
        return Verdict(NOT_TESTED, "no trial of this run is about it")
    for point in points:
        if sum(map(math.isnan, point.values)) > point.both_diverged:
            return Verdict(NOT_TESTED, unmeasured(point.name))
    evidence = "; ".join(_describe(point, rule, format_number) for point in points[:MAX_LISTED])
    if len(points) > MAX_LISTED:
        evidence += f"; and {len(points) - MAX_LISTED} more"
    seeds = min(len(point.values) for point in points) if rule.stochastic else None
    measured = min((rule.measure(point) for point in points), key=rule.distance_inside)
    if seeds is not None and seeds < LEAST_SEEDS:
        evidence = f"one seed has no interval: {evidence}"
        return Verdict(UNDECIDED, evidence, seeds, measured=measured)
    outcome, against = rule.decide(points)
    found = Verdict(outcome, evidence, seeds, _highest_level(points, rule), measured=measured)
    if against and len(points) == 1:
        return found
    if against:
        named = ", ".join(point.name for point in against[:MAX_LISTED])
        return replace(found, evidence=f"against it: {named}. {evidence}")
    if outcome == UNDECIDED:
        return replace(
            found,
            evidence=f"an interval straddles: {evidence}",
            seeds_needed=_seeds_needed(points, rule),
        )
    return found


def _percent(level: float | None) -> str:
    # Rounded down: no verdict holds up to 100%.
    return "any" if level is None else f"{math.floor(1000 * min(level, _LEVELS[-1])) / 10:.1f}%"


def unmeasured(name: str) -> str:
    """Return the reason that a claim is not tested if a point was not measured."""
    return "this run has no record of it at that moment" + (f" for {name}" if name else "")


def _highest_level(points: Sequence[SeedValues], rule: Rule) -> float | None:
    """Return the highest confidence level that gives a verdict; None if none does, or no value
    depends on a seed."""
    if not rule.stochastic:
        return None

    def is_undecided(confidence: float) -> bool:
        return rule.decide(points, confidence)[0] == UNDECIDED

    # Wider intervals decide less, so a claim that is undecided at one level is undecided above it.
    found = bisect.bisect_left(_LEVELS, True, key=is_undecided)
    return _LEVELS[found - 1] if found else None


_LEVELS = [level / 1000 for level in range(1, 1000)]


def _seeds_needed(points: Sequence[SeedValues], rule: Rule) -> int | None:
    """Return the smallest even number of seeds that gives a verdict.

    The values are synthetic: half of them above the mean, half below, with the measured spread.
    """
    if not all(np.isfinite(point.values).all() for point in points):
        return None

    def is_decided(seeds: int) -> bool:
        planned = []
        for point in points:
            distance = float(np.std(point.values, ddof=1)) * math.sqrt((seeds - 1) / seeds)
            center = float(np.mean(point.values))
            values = [center - distance, center + distance] * (seeds // 2)
            planned.append(SeedValues(point.name, values))
        return rule.decide(planned)[0] != UNDECIDED

    fewest = max(len(point.values) for point in points)
    candidates = range(fewest + 2 - fewest % 2, MAX_SEEDS + 1, 2)
    # More seeds narrow every interval, so once decided, a claim stays decided.
    found = bisect.bisect_left(candidates, True, key=is_decided)
    return candidates[found] if found < len(candidates) else None


def _describe(point: SeedValues, rule: Rule, format_number: Callable[[float], str]) -> str:
    seeds = len(point.values)
    if point.both_diverged:
        text = "both diverged"
        if point.both_diverged < seeds:
            text += f" with {point.both_diverged} of {seeds} seeds"
    else:
        text = format_number(float(np.mean(point.values)))
        if seeds > 1 and rule.stochastic:
            low, high = rule.interval(point, statistics.CONFIDENCE)
            text += f" [{format_number(low)}, {format_number(high)}]"
    return f"{point.name}: {text}" if point.name else text
