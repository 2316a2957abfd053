"""Claim: a measurement lies within bounds at every point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment
from study.claims.evidence import Evidence, values_per_seed
from study.claims.verdict import Bounds, Verdict


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
    """Judge whether `quantity` is more than `above` and less than `below`.

    The test covers each combination of the settings in `per`, on the trials with the settings in
    `where`. With `at_best`, each seed contributes its best value over all other settings.
    """
    trials = evidence.measure(where, quantity, at)
    if at_best and len(trials):
        values = trials.groupby([*per, "seed"], dropna=False)["value"]
        best = values.max() if maximized(quantity) else values.min()
        trials = best.reset_index().assign(diverged_before=False)
    return evidence.judge_quantity(values_per_seed(trials, per), Bounds(above, below), quantity)
