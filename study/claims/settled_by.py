"""Claim: training is close to its best result by an early moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment
from study.claims.evidence import Evidence, paired_differences
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    quantity: str,
    by: Moment,
    within: float,
    beyond: float,
    per: Sequence[str] = (),
) -> Verdict:
    """Judge whether `quantity` at the moment `by` is within `within` of the trial's best value.

    This is tested for each combination of the settings `per`, on the trials with the settings
    `where`. A trial that diverges, or whose best value is not better than `beyond`, never settles.
    """
    early = evidence.measure(where, quantity, by)
    best = evidence.measure(where, f"best_{quantity}", END)
    one, other = (best, early) if maximized(quantity) else (early, best)
    is_bad = best["value"].le(beyond) if maximized(quantity) else best["value"].ge(beyond)
    one["value"] = one["value"].mask(is_bad, math.inf)
    other["value"] = other["value"].mask(is_bad, 0.0)
    early["diverged_before"] = False
    points = paired_differences(one, other, per, averaged=False)
    return evidence.judge_difference(points, Bounds(high=within), quantity)
