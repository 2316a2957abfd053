"""Claim: a measurement lies within bounds at every point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment
from study.claims.evidence import Evidence, require_one_trial_per_seed, values_per_seed
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
    all_but: int = 0,
) -> Verdict:
    """Judge whether `quantity` is more than `above` and less than `below`.

    The test covers each combination of the settings in `per`, on the trials with the settings in
    `where`. With `at_best`, each seed contributes its best value over all other settings. With
    `all_but`, a seed contributes a single value, for a claim with one bound: the worst of its
    combinations but for so many that are worse still.
    """
    trials = evidence.measure(where, quantity, at)
    if at_best and len(trials):
        values = trials.groupby([*per, "seed"], dropna=False)["value"]
        best = values.max() if maximized(quantity) else values.min()
        trials = best.reset_index().assign(diverged_before=False)
    if all_but and len(trials):
        require_one_trial_per_seed(trials, per)
        ascending = maximized(quantity)
        rest = trials.groupby("seed")["value"].agg(
            lambda values: (
                math.nan
                if values.isna().any()
                else values.sort_values(ascending=ascending).iloc[all_but]
            )
        )
        trials, per = rest.reset_index().assign(diverged_before=False), ()
    return evidence.judge_quantity(values_per_seed(trials, per), Bounds(above, below), quantity)
