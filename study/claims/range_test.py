"""Claim: a learning-rate range test suggests a given learning rate, or has no minimum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from study.analysis.quantity import END
from study.analysis.ramp_minimum import suggest_at_points
from study.analysis.range_rules import ONE_ORDER_BELOW
from study.analysis.range_test import suggest
from study.analysis.statistics import SHARE, UNBOUNDED
from study.claims.evidence import Evidence, require_one_trial_per_seed
from study.claims.verdict import NOT_TESTED, UNDECIDED, Bounds, SeedValues, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    lr: float | None,
    factor: float = 2.0,
    quantity: str = "test_loss",
    points: int | None = None,
    smoothing: float = 0.0,
) -> Verdict:
    """Judge whether the rule "one order below" suggests a learning rate within `factor` of `lr`.

    The rule reads `quantity` along the ramp, at all records (`study.analysis.range_test`) or at
    `points` records, optionally smoothed (`study.analysis.ramp_minimum`). If `lr` is None, judge
    whether the ramp has no true minimum; with an infinite `factor`, whether it has one.
    """
    trials = evidence.measure(where, quantity, END)
    if trials.empty:
        return Verdict(NOT_TESTED, "this run has no such ramp")
    require_one_trial_per_seed(trials, ())
    results, trials = evidence.results, trials.sort_values("seed")
    if points is None:
        suggestion = suggest(results, trials, ONE_ORDER_BELOW, quantity)
    else:
        suggestion = suggest_at_points(results, trials, quantity, points, smoothing)
    missing = [float(reading.lr is None) for reading in suggestion.readings]
    if lr is None or all(missing):
        allowed = Bounds(low=0.5) if lr is None else Bounds(high=0.5)
        point = SeedValues("share of the seeds without a true minimum", missing)
        return evidence.judge([point], allowed, "{:.2g}".format, SHARE)
    if any(missing):
        return Verdict(
            UNDECIDED,
            f"{suggestion.seeds_without_answer} of {len(missing)} seeds have no true minimum: "
            f"{suggestion.advice}",
            seeds=len(missing),
        )
    center, margin = math.log10(lr), math.log10(factor)
    decades = [math.log10(reading.lr) for reading in suggestion.readings if reading.lr]
    return evidence.judge(
        [SeedValues("suggested learning rate", decades)],
        Bounds(center - margin, center + margin),
        lambda decade: f"{10**decade:.3g}",
        UNBOUNDED,
    )
