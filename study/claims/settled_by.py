"""Training is near its end result by an early moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.study import maximized
from study.claims.evidence import END, Evidence, Moment, Verdict, differences, in_words


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
    """At the moment `by`, `quantity` of the trials with the settings in `where` lacks less than
    `within` of the best it ever has, at every combination of the settings `per`.

    A trial that diverges, or whose best is no better than `beyond`, has settled nowhere."""
    early = evidence.measured(where, quantity, by)
    best = evidence.measured(where, f"best_{quantity}", END)
    is_bad = best["value"].le(beyond) if maximized(quantity) else best["value"].ge(beyond)
    early["value"] = early["value"].mask(is_bad, -math.inf if maximized(quantity) else math.inf)
    early["gone"] = False
    one, other = (best, early) if maximized(quantity) else (early, best)
    points = differences(one, other, per, averaged=False)
    return evidence.judge(points, -math.inf, within, in_words(quantity, difference=True))
