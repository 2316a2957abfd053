"""Claim: one value of a setting is the worst."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.analysis.quantity import END, Moment
from study.claims.best_value import leads_over_others
from study.claims.evidence import Evidence
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    worst: Mapping[str, Any],
    quantity: str,
    at: Moment = END,
) -> Verdict:
    """Judge whether trials with `worst` are behind every other combination of the same settings.

    This is by `quantity`, among the trials with the settings `where`. For each side and seed, the
    best value over all other settings counts.
    """
    leads = leads_over_others(evidence.measure(where, quantity, at), worst, quantity)
    return evidence.judge_difference(leads, Bounds(high=0.0), quantity)
