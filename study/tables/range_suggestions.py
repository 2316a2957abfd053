"""Range suggestions: what each rule reads off the ramps of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.range_test import RULES, RAMP_SETTINGS, Suggestion, split_by_ramp, ramp_trials, suggest
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
    """A row per ramp and rule, over the ramps with the settings in `where` and, if given, the
    rules named: the geometric mean over seeds with its 95% interval, or that there is no true
    minimum, and then what to change about the ramp.

    `published` has what a report says, by optimizer and schedule.
    """
    check_names(results, where, [quantity])
    shown = select(ramp_trials(results), where)
    if shown.empty:
        return pd.DataFrame()
    made = []
    # A run of an earlier version may lack what was no setting then.
    ramp = [name for name in ("optimizer", "schedule", "lr", *RAMP_SETTINGS) if name in shown]
    for part, trials in split_by_other_settings(results, shown, ramp):
        for optimizer, own in trials.groupby("optimizer"):
            for name, over_seeds in split_by_ramp(own):
                for rule in RULES:
                    if rules and rule.name not in rules:
                        continue
                    found = suggest(results, over_seeds, rule, quantity)
                    row = part | setting_cells(["optimizer"], [optimizer])
                    row |= {"ramp": name, "rule": rule.name, **_cells(found)}
                    if published:
                        key = (str(optimizer), str(over_seeds["schedule"].iloc[0]))
                        row["published"] = published.get(key, "-")
                    made.append(row)
    return pd.DataFrame(made)


def _cells(found: Suggestion) -> dict[str, str]:
    seeds = len(found.readings)
    if found.lr is None:
        suggested, interval = "no true minimum", "-"
    else:
        suggested = f"{found.lr:.3g}"
        interval = "-"
        if found.interval:
            low, high = found.interval
            interval = f"{low:.2g} to {high:.2g}"
    return {
        "suggested LR": suggested,
        "95% interval": interval,
        "seeds without minimum": f"{found.seeds_without_minimum} of {seeds}",
        "advice": found.advice or "-",
    }
