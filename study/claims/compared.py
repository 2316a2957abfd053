"""Claim: one group of trials is ahead of another, or equivalent to it."""

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
    ahead: Mapping[str, Any],
    behind: Mapping[str, Any],
    quantity: str,
    per: Sequence[str] = (),
    at: Moment = END,
    since: Moment | None = None,
    by: float = 0.0,
    less_than: float = math.inf,
    alike: float | None = None,
    band: float | None = None,
    averaged: bool = False,
) -> Verdict:
    """Judge whether the trials `ahead` are better in `quantity` than those `behind`.

    The difference must be more than `by` and less than `less_than`. It is paired by seed and by the
    settings `per`, and tested for each of their combinations, or for their mean if `averaged`.
    Differences of less than `band` count as none. With `alike`, judge instead whether the two
    differ by less than that, in either direction. With `since`, compare how much the two have
    changed since that moment (see `Evidence.measure_change`).
    """
    sides = [
        evidence.measure(where, quantity, at)
        if since is None
        else evidence.measure_change(where, quantity, since, at)
        for where in (ahead, behind)
    ]
    one, other = sides if maximized(quantity) else sides[::-1]
    points = paired_differences(one, other, per, averaged=averaged)
    allowed = Bounds(by, less_than) if alike is None else Bounds(-alike, alike)
    return evidence.judge_difference(points, allowed, quantity, band)
