"""One group of trials depends less on a setting than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.claims.evidence import (
    END,
    Evidence,
    Moment,
    Verdict,
    differences,
    in_words,
    one_each,
)


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
        one_each(trials, [*per, over])
        values = trials.groupby(keys)["value"]
        spreads = values.agg(lambda each: each.std(ddof=1, skipna=False))
        return spreads.reset_index().assign(gone=False)

    sides = [spread(where) for where in (other, steadier)]
    points = differences(sides[0], sides[1], per, averaged=averaged)
    return evidence.judge(points, 0.0, float("inf"), in_words(quantity, difference=True))
