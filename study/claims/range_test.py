"""A learning-rate range test finds a given learning rate, or no minimum at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from study.analysis.range_test import ONE_ORDER_BELOW, suggest
from study.claims.evidence import (
    END,
    NOT_TESTED,
    UNDECIDED,
    Evidence,
    Point,
    Verdict,
    points_of,
)


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    lr: float | None,
    factor: float = 2.0,
    quantity: str = "test_loss",
) -> Verdict:
    """What one order below the minimum of the ramp's `quantity` gives lies within `factor` of `lr`,
    up or down.

    With `lr` None the claim is that there is no true minimum (see `study.analysis.range_test`).
    """
    trials = evidence.measured(where, quantity, END)
    if trials.empty:
        return Verdict(NOT_TESTED, "this run has no such ramp")
    points_of(trials, ())  # a ramp for each seed
    found = suggest(evidence.results, trials.sort_values("seed"), ONE_ORDER_BELOW, quantity)
    without = [float(reading.lr is None) for reading in found.readings]
    if lr is None or all(without):
        low, high = (0.5, math.inf) if lr is None else (-math.inf, 0.5)
        point = Point("share of the seeds without a true minimum", without)
        return evidence.judge([point], low, high, "{:.2g}".format)
    if any(without):
        some = f"{found.without} of {len(without)} seeds have no true minimum: {found.advice}"
        return Verdict(UNDECIDED, some)
    middle, margin = math.log10(lr), math.log10(factor)
    return evidence.judge(
        [Point("suggested learning rate", [math.log10(r.lr) for r in found.readings if r.lr])],
        middle - margin,
        middle + margin,
        lambda decade: f"{10**decade:.3g}",
    )
