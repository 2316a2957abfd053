"""Claim: a quantity is short of a level at one moment, and past it at a later one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from search_spaces.objective import maximized
from study.analysis.quantity import Moment
from study.analysis.wording import describe_settings
from study.claims.evidence import Evidence, format_quantity, values_per_seed
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    quantity: str,
    level: float,
    before: Moment,
    after: Moment,
) -> Verdict:
    """Judge whether `quantity` is worse than `level` at the moment `before`, and better at `after`.

    The test covers both moments, on the trials with the settings `where`.
    """
    points = []
    for moment, is_past in ((before, False), (after, True)):
        trials = evidence.measure(where, quantity, moment)
        margin = trials["value"] - level
        trials["value"] = margin if is_past is maximized(quantity) else -margin
        side = "past" if is_past else "short of"
        name = f"{side} {format_quantity(quantity)(level)} at {describe_settings(moment)}"
        points += [replace(point, name=name) for point in values_per_seed(trials, ())]
    return evidence.judge_difference(points, Bounds(low=0.0), quantity)
