"""Claim: a trial's value at one moment differs from its value at another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from study.analysis.quantity import END, Moment
from study.claims.evidence import Evidence, paired_differences
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    quantity: str,
    since: Moment,
    to: Moment = END,
    per: Sequence[str] = (),
    above: float = -math.inf,
    below: float = math.inf,
    averaged: bool = False,
    band: float | None = None,
) -> Verdict:
    """Judge whether `quantity` at the moment `to`, minus itself at `since`, lies within bounds.

    The change must be more than `above` and less than `below`, on the trials with the settings
    `where`. It is tested for each combination of the settings `per`, or for their mean if
    `averaged`. Changes of less than `band` count as none. Both moments are fixed: the difference
    from a trial's best record would never be negative, so noise alone would let every curve
    "decline".

    A trial that diverged in between ends with the worst value; one that had diverged before `since`
    has no change.
    """
    later, earlier = (evidence.measure(where, quantity, moment) for moment in (to, since))
    points = paired_differences(later, earlier, per, averaged=averaged)
    return evidence.judge_difference(points, Bounds(above, below), quantity, band)
