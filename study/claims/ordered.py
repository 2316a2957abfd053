"""Claim: the values of a setting are ordered from best to worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment
from study.analysis.wording import describe_settings, format_setting
from study.claims.evidence import Evidence, Untestable, paired_differences
from study.claims.verdict import Bounds, SeedValues, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    setting: str,
    best_first: Sequence[Any],
    quantity: str,
    per: Sequence[str] = (),
    at: Moment = END,
    averaged: bool = False,
    band: float | None = None,
) -> Verdict:
    """Judge whether each of the values `best_first` of `setting` is better than the next one.

    Differences in `quantity` are paired by seed and by the settings `per`, and tested for each of
    their combinations, or for their mean if `averaged`. Differences of less than `band` count as
    none. The order is strict; `trend` judges the tendency alone.
    """
    sides = [evidence.measure({**where, setting: value}, quantity, at) for value in best_first]
    for side, value in zip(sides, best_first, strict=True):
        if side.empty:
            raise Untestable(f"no trial of this run has {describe_settings({setting: value})}")
    points: list[SeedValues] = []
    for (better, better_value), (worse, worse_value) in pairwise(
        zip(sides, best_first, strict=True)
    ):
        one, other = (better, worse) if maximized(quantity) else (worse, better)
        pair = " over ".join(format_setting(setting, v) for v in (better_value, worse_value))
        points += [
            replace(point, name=", ".join(filter(None, (pair, point.name))))
            for point in paired_differences(one, other, per, averaged=averaged)
        ]
    return evidence.judge_difference(points, Bounds(low=0.0), quantity, band)
