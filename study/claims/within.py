"""A measurement lies within bounds, at every point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.study import maximized
from study.claims.evidence import END, Evidence, Moment, Verdict, in_words, points_of


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    quantity: str,
    per: Sequence[str] = (),
    above: float = -math.inf,
    below: float = math.inf,
    at: Moment = END,
    at_best: bool = False,
) -> Verdict:
    """`quantity` (see `Evidence.measured`) of the trials with the settings in `where` is more
    than `above` and less than `below` at every combination of the settings `per`; with
    `at_best`, at the best that each seed reaches over whatever else varies."""
    trials = evidence.measured(where, quantity, at)
    if at_best and len(trials):
        side = trials.groupby([*per, "seed"], dropna=False)["value"]
        trials = (side.max() if maximized(quantity) else side.min()).reset_index()
    return evidence.judge(points_of(trials, per), above, below, in_words(quantity))
