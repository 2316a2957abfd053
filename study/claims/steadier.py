"""Claim: one group of trials depends less on a setting than another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from study.analysis.quantity import END, Moment
from study.claims.evidence import (
    Evidence,
    paired_differences,
    require_one_trial_per_seed,
)
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    steadier: Mapping[str, Any],
    other: Mapping[str, Any],
    over: str | Sequence[str],
    quantity: str,
    per: Sequence[str] = (),
    at: Moment = END,
    averaged: bool = False,
    band: float | None = None,
) -> Verdict:
    """Judge whether `quantity` varies less among the trials `steadier` than among `other`.

    The standard deviations over the values of the setting `over`, or over all combinations of
    several, are paired by seed and by the settings `per`. They are tested for each combination of
    these, or for their mean if `averaged`. Differences of less than `band` count as none. Where a
    loss is infinite, because a trial diverged, so is the deviation.
    """
    keys = [*per, "seed"]
    settings = [over] if isinstance(over, str) else [*over]

    def spread(where: Mapping[str, Any]) -> pd.DataFrame:
        trials = evidence.measure(where, quantity, at)
        require_one_trial_per_seed(trials, [*per, *settings])
        deviations = trials.groupby(keys)["value"].agg(_deviation).reset_index()
        return deviations.assign(diverged_before=np.isinf(deviations["value"]))

    points = paired_differences(spread(other), spread(steadier), per, averaged=averaged)
    return evidence.judge_difference(points, Bounds(low=0.0), quantity, band)


def _deviation(values: pd.Series) -> float:
    return math.inf if np.isinf(values).any() else float(values.std(ddof=1, skipna=False))
