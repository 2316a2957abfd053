"""Table: the learning rate that each rule of a range test suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.range_test import (
    RAMP_SETTINGS,
    RULES,
    Suggestion,
    ramp_trials,
    split_by_ramp,
    suggest,
)
from study.analysis.results import Results, select
from study.tables.cells import check_names, setting_cells, split_by_other_settings


def make(
    results: Results,
    *,
    quantity: str,
    where: Mapping[str, Any] = {},
    rules: Sequence[str] = (),
    published: Mapping[tuple[str, str], str] = {},
) -> pd.DataFrame:
    """Return a row per ramp and rule, for the ramps with the settings `where`.

    It has the geometric mean over seeds with its 95% interval, or that there is no true minimum and
    how to change the ramp. `rules`: names of the rules, all by default. `published`: what a report
    says, by optimizer and schedule.
    """
    check_names(results, settings=where, columns=[quantity])
    selected = select(ramp_trials(results), where)
    if selected.empty:
        return pd.DataFrame()
    rows = []
    # A run of an earlier version lacks settings that did not exist then.
    ramp = [name for name in ("optimizer", "schedule", "lr", *RAMP_SETTINGS) if name in selected]
    for prefix, trials in split_by_other_settings(results, selected, ramp):
        for optimizer, group in trials.groupby("optimizer"):
            for name, seeds in split_by_ramp(group):
                for rule in RULES:
                    if rules and rule.name not in rules:
                        continue
                    suggestion = suggest(results, seeds, rule, quantity)
                    row = prefix | setting_cells(["optimizer"], [optimizer])
                    row |= {"ramp": name, "rule": rule.name, **_cells(suggestion)}
                    if published:
                        key = (str(optimizer), str(seeds["schedule"].iloc[0]))
                        row["published"] = published.get(key, "-")
                    rows.append(row)
    return pd.DataFrame(rows)


def _cells(suggestion: Suggestion) -> dict[str, str]:
    interval = "-"
    if suggestion.interval:
        low, high = suggestion.interval
        interval = f"{low:.2g} to {high:.2g}"
    without = suggestion.seeds_without_minimum
    return {
        "suggested LR": "no true minimum" if suggestion.lr is None else f"{suggestion.lr:.3g}",
        "95% interval": interval,
        "seeds without minimum": f"{without} of {len(suggestion.readings)}",
        "advice": suggestion.advice or "-",
    }
