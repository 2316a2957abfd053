"""Claim: one group of trials depends less on a setting than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.quantity import END, Moment
from study.claims.evidence import (
    Evidence,
    paired_differences,
    require_one_trial_per_seed,
    value_formatter,
)
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    steadier: Mapping[str, Any],
    other: Mapping[str, Any],
    over: str,
    quantity: str,
    per: Sequence[str] = (),
    at: Moment = END,
    averaged: bool = False,
) -> Verdict:
    """Judge whether `quantity` varies less among the trials `steadier` than among `other`.

    The standard deviations over the values of the setting `over` are paired by seed and by the
    settings `per`, and tested for each of their combinations, or for their mean if `averaged`.
    """
    keys = [*per, "seed"]

    def spread(where: Mapping[str, Any]) -> pd.DataFrame:
        trials = evidence.measure(where, quantity, at)
        require_one_trial_per_seed(trials, [*per, over])
        deviations = trials.groupby(keys)["value"].agg(
            lambda values: values.std(ddof=1, skipna=False)
        )
        return deviations.reset_index().assign(diverged_before=False)

    points = paired_differences(spread(other), spread(steadier), per, averaged=averaged)
    return evidence.judge(points, Bounds(low=0.0), value_formatter(quantity, difference=True))
