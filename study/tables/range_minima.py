"""Table: where the loss of each ramp is lowest, and what a report says about it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis import statistics
from study.analysis.ramp_minimum import Minimum, at_points, lowest, suggest_at_points
from study.analysis.range_rules import ONE_ORDER_BELOW
from study.analysis.range_test import (
    RAMP_SETTINGS,
    Suggestion,
    ramp_trials,
    split_by_ramp,
    suggest,
)
from study.analysis.results import Results
from study.analysis.statistics import NON_NEGATIVE
from study.analysis.wording import format_mean
from study.tables.cells import check_names, setting_cells, split_by_other_settings

Published = Mapping[tuple[str, str, float], tuple[str, str]]
"""The minimum and the learning rate that a report prints, by optimizer, schedule and the ramp's
first learning rate."""


def make(
    results: Results,
    *,
    quantity: str,
    points: int,
    smoothing: float,
    published: Published,
) -> pd.DataFrame:
    """Return three rows per ramp: read at `points` records, the same smoothed, and at all records.

    A row has the lowest `quantity` with its step and learning rate, what the rule "one order below"
    suggests, and the `published` minimum and learning rate. Cells are means over seeds (geometric
    means for learning rates) with 95% intervals.
    """
    check_names(results, columns=[quantity])
    selected = ramp_trials(results)
    if selected.empty:
        return pd.DataFrame()
    rows = []
    # Runs of earlier versions lack the settings that were added later.
    ramp = [name for name in ("optimizer", "schedule", "lr", *RAMP_SETTINGS) if name in selected]
    for prefix, trials in split_by_other_settings(results, selected, ramp):
        for optimizer, group in trials.groupby("optimizer"):
            for name, seeds in split_by_ramp(group):
                key = (str(optimizer), str(seeds["schedule"].iloc[0]), float(seeds["lr"].iloc[0]))
                printed = published.get(key, ("-", "-"))
                readings = [
                    (
                        f"{points} points{f', smoothed {decay:g}' if decay else ''}",
                        at_points(results, seeds, quantity, points, decay),
                        suggest_at_points(results, seeds, quantity, points, decay),
                    )
                    for decay in (0.0, smoothing)
                ]
                whole = suggest(results, seeds, ONE_ORDER_BELOW, quantity)
                for reading, records, suggestion in (*readings, ("all records", results, whole)):
                    rows.append(
                        prefix
                        | setting_cells(["optimizer"], [optimizer])
                        | {"ramp": name, "read at": reading}
                        | _cells(records, seeds, quantity, suggestion)
                        | {"published minimum": printed[0], "published LR": printed[1]}
                    )
    return pd.DataFrame(rows)


def _cells(
    results: Results, seeds: pd.DataFrame, quantity: str, suggestion: Suggestion
) -> dict[str, str]:
    trials: list[dict[Hashable, Any]] = seeds.to_dict("records")
    found = [lowest(results, trial, quantity) for trial in trials]
    minima = [minimum for minimum in found if minimum is not None]
    suggested = suggestion.refusal if suggestion.lr is None else f"{suggestion.lr:.3g}"
    return _minimum_cells(minima) | {"suggested LR": suggested}


def _minimum_cells(minima: Sequence[Minimum]) -> dict[str, str]:
    if not minima:
        return {"lowest loss": "diverged", "at step": "-", "at LR": "-"}
    losses = statistics.mean([minimum.loss for minimum in minima], NON_NEGATIVE)
    steps = statistics.mean([minimum.step for minimum in minima], NON_NEGATIVE)
    decades = statistics.mean([math.log10(minimum.lr) for minimum in minima])
    interval = f" [{10**decades.low:.2g}, {10**decades.high:.2g}]" if decades.n > 1 else ""
    return {
        "lowest loss": format_mean("loss", losses.mean, losses.low, losses.high),
        "at step": format_mean("step", steps.mean, steps.low, steps.high),
        "at LR": f"{10**decades.mean:.3g}{interval}",
    }
