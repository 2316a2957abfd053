"""One group of trials is ahead of another, or like it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.study import maximized
from study.claims.evidence import END, Evidence, Moment, Verdict, differences, in_words


def verdict(
    evidence: Evidence,
    *,
    ahead: Mapping[str, Any],
    behind: Mapping[str, Any],
    quantity: str,
    per: Sequence[str] = (),
    at: Moment = END,
    by: float = 0.0,
    less_than: float = math.inf,
    alike: float | None = None,
    averaged: bool = False,
) -> Verdict:
    """The trials of `ahead` are better in `quantity` than those of `behind` (more accurate, of
    lower loss) by more than `by` and less than `less_than`, paired by seed and the settings
    `per`, at each of their combinations, or in their mean if `averaged`.

    With `alike`, the claim is instead that they differ by less than that, whichever is ahead.
    """
    sides = [evidence.measured(where, quantity, at) for where in (ahead, behind)]
    one, other = sides if maximized(quantity) else sides[::-1]
    points = differences(one, other, per, averaged=averaged)
    low, high = (by, less_than) if alike is None else (-alike, alike)
    return evidence.judge(points, low, high, in_words(quantity, difference=True))
