"""One group of trials depends less on a setting than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.claims.evidence import END, Evidence, Moment, Verdict, differences, in_words


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
    """The standard deviation of `quantity` over the values of the setting `over` is smaller
    among the trials of `steadier` than of `other`; paired by seed and the settings `per`, at
    each of their combinations, or in their mean if `averaged`."""
    keys = [*per, "seed"]

    def spread(where: Mapping[str, Any]) -> pd.DataFrame:
        trials = evidence.measured(where, quantity, at)
        if trials.empty:
            return trials
        return trials.groupby(keys)["value"].std(ddof=1).reset_index()

    points = differences(spread(other), spread(steadier), per, averaged=averaged)
    return evidence.judge(points, 0.0, float("inf"), in_words(quantity, difference=True))
