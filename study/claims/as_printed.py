"""Claim: several points have the values that the report prints for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from study.analysis.quantity import END, Moment
from study.analysis.wording import describe_settings
from study.claims.evidence import Evidence, Untestable, values_per_seed
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    printed: Sequence[tuple[Mapping[str, Any], float]],
    quantity: str,
    within: float,
    at: Moment = END,
) -> Verdict:
    """Judge whether `quantity` differs by less than `within` from each of the `printed` values.

    Each of these belongs to the trials with its settings, among those with the settings `where`.
    """
    points = []
    for settings, value in printed:
        trials = evidence.measure({**where, **settings}, quantity, at)
        if trials.empty:
            raise Untestable(f"no trial of this run has {describe_settings(settings)}")
        trials["value"] -= value
        points += [
            replace(point, name=describe_settings(settings))
            for point in values_per_seed(trials, ())
        ]
    return evidence.judge_difference(points, Bounds(-within, within), quantity)
