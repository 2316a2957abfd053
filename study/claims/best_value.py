"""One value of a setting is the best there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.study import maximized
from study.analysis.results import select
from study.claims.evidence import END, Evidence, Moment, Point, Verdict, in_words, named


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    best: Mapping[str, Any],
    quantity: str,
    at: Moment = END,
    by: float = 0.0,
) -> Verdict:
    """Among the trials with the settings in `where`, those with `best` are ahead of every other
    combination of the same settings in `quantity`, by more than `by`.

    Each side is taken at the best of its points: for every seed, the best value over whatever
    else varies. So an optimizer is compared at its best learning rate.
    """
    trials = evidence.measured(where, quantity, at)
    settings = list(best)
    sign = 1 if maximized(quantity) else -1

    def per_seed(side: Any) -> Any:
        values = sign * side.set_index("seed")["value"]
        return values.groupby("seed").agg(lambda each: each.max(skipna=False))

    ours = per_seed(select(trials, best))
    points: list[Point] = []
    for key, group in trials.groupby(settings, dropna=False):
        if select(group, best).empty:
            difference = ours - per_seed(group)
            if len(difference):
                points.append(Point("over " + named(settings, key), difference.tolist()))
    return evidence.judge(points, by, float("inf"), in_words(quantity, difference=True))
