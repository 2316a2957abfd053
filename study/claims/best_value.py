"""Claim: one value of a setting is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from search_spaces.objective import maximized
from study.analysis.quantity import END, Moment
from study.analysis.results import select
from study.analysis.wording import describe_settings
from study.claims.evidence import Evidence, paired_differences
from study.claims.verdict import Bounds, SeedValues, Verdict


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    best: Mapping[str, Any],
    quantity: str,
    at: Moment = END,
    by: float = 0.0,
    since: Moment | None = None,
    band: float | None = None,
    besides: Sequence[Mapping[str, Any]] = (),
    mean_of_best: bool = False,
) -> Verdict:
    """Judge whether trials with `best` beat every other combination of the same settings.

    They must be ahead in `quantity` by more than `by`, among the trials with the settings `where`.
    For each side and seed, the best value over all other settings counts, so an optimizer is
    compared at its best learning rate. With `since`, the trials with `best` must have improved more
    since that moment (see `Evidence.measure_change`). Differences of less than `band`
    count as none. The combinations in `besides` may be better: with one combination, the claim is
    that `best` comes second.

    If `best` names several values of a setting, the better one of each seed counts, which is
    higher by noise alone. With `mean_of_best`, their mean does.
    """
    if since is None:
        trials = evidence.measure(where, quantity, at)
    else:
        trials = evidence.measure_change(where, quantity, since, at)
    for combination in besides:
        trials = trials.drop(select(trials, combination).index)
    return evidence.judge_difference(
        leads_over_others(trials, best, quantity, mean_of_chosen=mean_of_best),
        Bounds(low=by),
        quantity,
        band,
    )


def leads_over_others(
    trials: pd.DataFrame, chosen: Mapping[str, Any], quantity: str, *, mean_of_chosen: bool = False
) -> list[SeedValues]:
    """Return how far the best of the trials `chosen` is ahead of that of each other combination.

    With `mean_of_chosen`, their mean counts instead of their best. Combinations are of the settings
    in `chosen`. A negative lead means that the other one is ahead.
    """
    settings = list(chosen)
    summary = "mean" if mean_of_chosen else _best_of(quantity)
    claimed = _per_seed(select(trials, chosen), summary)
    points: list[SeedValues] = []
    for key, group in trials.groupby(settings, dropna=False):
        if not select(group, chosen).empty:
            continue
        rival = _per_seed(group, _best_of(quantity))
        one, other = (claimed, rival) if maximized(quantity) else (rival, claimed)
        name = f"over {describe_settings(dict(zip(settings, key, strict=True)))}"
        points += [
            replace(point, name=name)
            for point in paired_differences(one, other, (), averaged=False)
        ]
    return points


def _best_of(quantity: str) -> str:
    return "max" if maximized(quantity) else "min"


def _per_seed(trials: pd.DataFrame, summary: str) -> pd.DataFrame:
    """Return a row per seed with this summary of its values; missing if any of them is missing."""
    seeds = trials.groupby("seed")
    values = seeds["value"].agg(summary)
    measured = values.where(seeds["value"].count() == seeds.size())
    diverged = seeds["diverged_before"]
    lost = diverged.any() if summary == "mean" else diverged.all()
    return pd.DataFrame({"value": measured, "diverged_before": lost}).reset_index()
