"""Claim: a measurement lies within bounds at every point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lenet.config import ConfigError, settings_in
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
    best_by: str = "",
    all_but: int = 0,
) -> Verdict:
    """Judge whether `quantity` is more than `above` and less than `below`.

    The test covers each combination of the settings in `per`, on the trials with the settings in
    `where`. With `best_by`, only the best of all other settings count: those with the best mean of
    this quantity over seeds, at the same moment. With `all_but`, so many combinations of a seed
    may lie outside, and the next one is judged; there must be only one bound.
    """
    trials = evidence.measure(where, quantity, at)
    if best_by:
        trials = trials[_is_best(evidence.measure(where, best_by, at), per, best_by)]
    if all_but and (above > -math.inf) == (below < math.inf):
        raise ConfigError("all_but needs one bound: set either above or below")
    if all_but and len(trials):
        require_one_trial_per_seed(trials, per)
        is_outside_first = above > -math.inf
        rest = trials.groupby("seed")["value"].agg(
            lambda values: (
                math.nan
                if values.isna().any() or len(values) <= all_but
                else values.sort_values(ascending=is_outside_first).iloc[all_but]
            )
        )
        trials, per = rest.reset_index().assign(diverged_before=False), ()
    return evidence.judge_quantity(values_per_seed(trials, per), Bounds(above, below), quantity)


def _is_best(trials: pd.DataFrame, per: Sequence[str], quantity: str) -> pd.Series[bool]:
    """Return which trials have, among those with equal settings `per`, the best other settings."""
    others = [name for name in settings_in(trials) if name not in {*per, "seed"}]
    varied = [name for name in others if trials[name].nunique(dropna=False) > 1]
    if not varied:
        return pd.Series(data=True, index=trials.index)
    means = trials.groupby([*per, *varied], dropna=False)["value"].transform("mean")
    groups = [trials[name] for name in per] or [pd.Series("all", index=trials.index)]
    compared = means.groupby(groups, dropna=False)
    best = compared.transform("max") if maximized(quantity) else compared.transform("min")
    return means == best
