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
    per: Sequence[str] = (),
) -> Verdict:
    """At the moment `by`, `quantity` of the trials with the settings in `where` lacks less than
    `within` of the best it ever has, at every combination of the settings `per`."""
    early = evidence.measured(where, quantity, by)
    best = evidence.measured(where, f"best_{quantity}", END)
    one, other = (best, early) if maximized(quantity) else (early, best)
    points = differences(one, other, per, averaged=False)
    return evidence.judge(points, -math.inf, within, in_words(quantity, difference=True))
