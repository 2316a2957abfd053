"""The values of a setting are better one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.study import maximized
from study.analysis.wording import value_text
from study.claims.evidence import (
    END,
    Evidence,
    Moment,
    Point,
    Untestable,
    Verdict,
    differences,
    in_words,
    named,
)


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
) -> Verdict:
    """Of the values `best_first` of `setting`, each is better in `quantity` than the next, at
    every combination of the settings `per`, or in their mean if `averaged`."""
    sides = [evidence.measured({**where, setting: value}, quantity, at) for value in best_first]
    for side, value in zip(sides, best_first, strict=True):
        if side.empty:
            raise Untestable(f"no trial of this run has {named([setting], value)}")
    points: list[Point] = []
    for i in range(len(best_first) - 1):
        one, other = sides[i : i + 2] if maximized(quantity) else sides[i : i + 2][::-1]
        pair = f"{value_text(best_first[i])} over {value_text(best_first[i + 1])}"
        points += [
            Point(", ".join(filter(None, (pair, point.name))), point.values)
            for point in differences(one, other, per, averaged=averaged)
        ]
    return evidence.judge(points, 0.0, float("inf"), in_words(quantity, difference=True))
