"""Claim: one value of a setting is the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from search_spaces.study import maximized
from study.analysis.quantity import END, Moment
from study.analysis.results import select
from study.analysis.wording import describe_settings
from study.claims.evidence import Evidence, value_formatter
from study.claims.verdict import Bounds, SeedValues, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    best: Mapping[str, Any],
    quantity: str,
    at: Moment = END,
    by: float = 0.0,
) -> Verdict:
    """Judge whether trials with `best` beat every other combination of the same settings.

    They must be ahead in `quantity` by more than `by`, among the trials with the settings `where`.
    Each side counts with the best value of each seed over all other settings, so an optimizer is
    compared at its best learning rate.
    """
    trials = evidence.measure(where, quantity, at)
    settings = list(best)
    sign = 1 if maximized(quantity) else -1

    def best_per_seed(side: pd.DataFrame) -> pd.Series:
        values = sign * side.set_index("seed")["value"]
        return values.groupby("seed").agg(lambda group: group.max(skipna=False))

    claimed = best_per_seed(select(trials, best))
    points: list[SeedValues] = []
    for key, group in trials.groupby(settings, dropna=False):
        if select(group, best).empty:
            difference = claimed - best_per_seed(group)
            if len(difference):
                other = describe_settings(dict(zip(settings, key, strict=True)))
                points.append(SeedValues(f"over {other}", difference.tolist()))
    return evidence.judge(points, Bounds(low=by), value_formatter(quantity, difference=True))
