"""Claim: a quantity gets worse along the values of a setting, on the whole."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from lenet.config import ConfigError
from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment
from study.analysis.statistics import CONFIDENCE, MAX_SEEDS
from study.analysis.trend import FEWEST_POSITIONS, Trend, page_trend
from study.analysis.wording import describe_settings
from study.claims.evidence import (
    Evidence,
    Untestable,
    format_quantity,
    require_one_trial_per_seed,
)
from study.claims.verdict import (
    LEAST_SEEDS,
    MAX_LISTED,
    NOT_REPRODUCED,
    NOT_TESTED,
    REPRODUCED,
    UNDECIDED,
    Verdict,
    unmeasured,
)

ERROR = (1 - CONFIDENCE) / 2
"""The probability of a false verdict in either direction, as at either end of a 95% interval."""


@dataclass(frozen=True)
class TrendPoint:
    """One trend that a claim is about."""

    name: str
    means: Sequence[float]
    """mean over seeds at each position"""
    trend: Trend


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    setting: str,
    best_first: Sequence[Any],
    quantity: str,
    per: Sequence[str] = (),
    at: Moment = END,
    averaged: bool = False,
    gain_over: Mapping[str, Any] | None = None,
) -> Verdict:
    """Judge whether `quantity` gets worse along the values `best_first` of `setting`.

    With `gain_over`, judge whether the gain shrinks. The gain is how far the trials `where` are
    ahead of the trials with the settings `gain_over`, paired by seed and by the settings `per`.

    Unlike `ordered`, two neighbors may be equal or swapped. Each seed ranks the values, and Page's
    test judges the ranks (`study.analysis.trend`), for each combination of the settings `per`, or
    for the mean over the combinations if `averaged`. The claim is reproduced if, at each
    combination, random order gives such a trend in at most 2.5% of cases. It is not reproduced if
    random order gives the reverse trend as rarely at one of them; the combinations share these
    2.5%. A study without randomness has no such test: there the sign of the rank correlation
    decides.

    Ranks, not slopes: a slope follows the largest difference, so a single diverged trial, with its
    infinite loss, would decide it.

    Raises: ConfigError if the order has fewer than three values.
    """
    if len(best_first) < FEWEST_POSITIONS:
        raise ConfigError(
            f"a trend is about {FEWEST_POSITIONS} values or more, not {len(best_first)}: compare "
            "two with the kind ordered"
        )
    keys = [*per, "seed"]

    def measure(trials: Mapping[str, Any], value: Any) -> pd.DataFrame:
        side = evidence.measure({**trials, setting: value}, quantity, at)
        if side.empty:
            raise Untestable(f"no trial of this run has {describe_settings({setting: value})}")
        require_one_trial_per_seed(side, per)
        return side[[*keys, "value"]]

    higher_is_better = maximized(quantity)
    sides = []
    for position, value in enumerate(best_first):
        side = measure(where, value)
        if gain_over is not None:
            side = side.merge(measure(gain_over, value), on=keys, suffixes=("", "_without"))
            without = side.pop("value_without")
            # Two diverged losses are equal, but infinity minus infinity would be missing.
            gain = (side["value"] - without).mask(side["value"] == without, 0.0)
            side["value"] = gain if higher_is_better else -gain
        sides.append(side.rename(columns={"value": position}))
    higher_is_better |= gain_over is not None
    table = functools.reduce(lambda left, right: left.merge(right, on=keys), sides)

    def in_order(trials: pd.DataFrame) -> np.ndarray:
        return trials[list(range(len(best_first)))].to_numpy(dtype=float)

    samples: dict[str, np.ndarray] = {}
    """by point: the values, in the shape (seeds, positions)"""
    if averaged and len(table):
        means = [in_order(group).mean(axis=0) for _, group in table.groupby("seed")]
        samples["mean over all"] = np.stack(means)
    elif len(table):
        for key, group in table.groupby(list(per), dropna=False) if per else [((), table)]:
            samples[describe_settings(dict(zip(per, key, strict=True)))] = in_order(group)
    points = []
    for name, values in samples.items():
        if np.isnan(values).any():
            return Verdict(NOT_TESTED, unmeasured(name))
        trend = page_trend(-values if higher_is_better else values)
        points.append(TrendPoint(name, values.mean(axis=0), trend))
    format_number = format_quantity(quantity, difference=gain_over is not None)
    return judge_trends(points, format_number, stochastic=evidence.stochastic)


def judge_trends(
    points: Sequence[TrendPoint], format_number: Callable[[float], str], *, stochastic: bool
) -> Verdict:
    """Judge the claim that the values rise along the positions at all points."""
    if not points:
        return Verdict(NOT_TESTED, "no trial of this run is about it")
    evidence = "; ".join(
        _describe(point, format_number, stochastic=stochastic) for point in points[:MAX_LISTED]
    )
    if len(points) > MAX_LISTED:
        evidence += f"; and {len(points) - MAX_LISTED} more"
    seeds = min(point.trend.seeds for point in points) if stochastic else None
    against: Sequence[TrendPoint]
    if seeds is None:
        against = [point for point in points if point.trend.correlation <= 0]
        outcome = NOT_REPRODUCED if against else REPRODUCED
    elif seeds < LEAST_SEEDS:
        return Verdict(UNDECIDED, f"one seed has no spread: {evidence}", seeds)
    else:
        outcome, against = decide(points, ERROR)
    found = Verdict(outcome, evidence, seeds, None if seeds is None else _highest_level(points))
    if against and len(points) == 1:
        return found
    if against:
        named = ", ".join(point.name for point in against[:MAX_LISTED])
        return replace(found, evidence=f"against it: {named}. {evidence}")
    if outcome == UNDECIDED:
        return replace(
            found,
            evidence=f"chance gives such an order too often: {evidence}",
            seeds_needed=_seeds_needed(points),
        )
    return found


def decide(points: Sequence[TrendPoint], error: float) -> tuple[str, Sequence[TrendPoint]]:
    """Return the verdict if chance may give a false one with this probability in each direction,
    and the points that are against the claim."""
    if all(point.trend.p_rising <= error for point in points):
        return REPRODUCED, ()
    # If all values of each seed are equal, as after divergence, there is no trend.
    against = [
        point
        for point in points
        if point.trend.p_falling <= error / len(points) or point.trend.deviation == 0
    ]
    return (NOT_REPRODUCED if against else UNDECIDED), against


def _highest_level(points: Sequence[TrendPoint]) -> float:
    """Return the highest confidence level that gives a verdict, for two-sided tests."""
    if any(point.trend.deviation == 0 for point in points):
        return 1.0
    rising = max(point.trend.p_rising for point in points)
    falling = min(point.trend.p_falling for point in points) * len(points)
    return max(0.0, 1 - 2 * min(rising, falling))


def _describe(point: TrendPoint, format_number: Callable[[float], str], *, stochastic: bool) -> str:
    means = ", ".join(map(format_number, point.means))
    trend = point.trend
    text = f"{means} (rank correlation {trend.correlation:+.2f}"
    if stochastic:
        smaller = min(trend.p_rising, trend.p_falling)
        text += f", p {smaller:.2g}" if trend.seeds >= LEAST_SEEDS else ""
    text += ")"
    return f"{point.name}: {text}" if point.name else text


def _seeds_needed(points: Sequence[TrendPoint]) -> int | None:
    """Return the seeds that would decide an undecided claim if all correlations stayed as they are.

    The number follows from Page's normal approximation of L.
    """

    def needed(point: TrendPoint, error: float) -> float:
        if point.trend.correlation == 0:
            return math.inf
        ratio = -ndtri(error) * point.trend.deviation / point.trend.correlation
        return max(point.trend.seeds + 1, math.ceil(ratio**2))

    falling = [point for point in points if point.trend.correlation < 0]
    if falling:
        seeds = min(needed(point, ERROR / len(points)) for point in falling)
    else:
        seeds = max(needed(point, ERROR) for point in points)
    return int(seeds) if seeds <= MAX_SEEDS else None
