"""Claim: a trial passes a level between two moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    since: Moment,
    to: Moment,
    per: Sequence[str] = (),
) -> Verdict:
    """Judge whether `quantity` is worse than `level` at the moment `since` and better at `to`.

    The test covers both moments and each combination of the settings `per`, on the trials with the
    settings `where`.
    """
    points = []
    for moment, is_passed in ((since, False), (to, True)):
        trials = evidence.measure(where, quantity, moment)
        margin = trials["value"] - level
        trials["value"] = margin if is_passed is maximized(quantity) else -margin
        side = "past" if is_passed else "short of"
        name = f"{side} {format_quantity(quantity)(level)} at {describe_settings(moment)}"
        points += [
            replace(point, name=", ".join(filter(None, (name, point.name))))
            for point in values_per_seed(trials, per)
        ]
    return evidence.judge_difference(points, Bounds(low=0.0), quantity)
