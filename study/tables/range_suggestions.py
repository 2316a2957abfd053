"""Table: the learning rate that each rule of a range test suggests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from study.analysis.range_rules import RULES
from study.analysis.range_test import (
    RAMP_SETTINGS,
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
) -> pd.DataFrame:
    """Return a row per ramp and rule, for the ramps with the settings `where`.

    A row has the geometric mean over seeds with its 95% interval, or what the rule says instead.
    The note says why it gives no learning rate, or why its suggestion is not to be trusted.
    """
    check_names(results, settings=where, columns=[quantity])
    selected = select(ramp_trials(results), where)
    if selected.empty:
        return pd.DataFrame()
    rows = []
    # Runs of earlier versions lack the settings that were added later.
    ramp = [name for name in ("optimizer", "schedule", "lr", *RAMP_SETTINGS) if name in selected]
    for prefix, trials in split_by_other_settings(results, selected, ramp):
        for optimizer, group in trials.groupby("optimizer"):
            for name, seeds in split_by_ramp(group):
                for rule in RULES:
                    suggestion = suggest(results, seeds, rule, quantity)
                    row = prefix | setting_cells(["optimizer"], [optimizer])
                    row |= {"ramp": name, "rule": rule.name, **_cells(suggestion)}
                    rows.append(row)
    return pd.DataFrame(rows)


def _cells(suggestion: Suggestion) -> dict[str, str]:
    interval = "-"
    if suggestion.interval:
        low, high = suggestion.interval
        interval = f"{low:.2g} to {high:.2g}"
    without = suggestion.seeds_without_answer
    return {
        "suggested LR": suggestion.refusal if suggestion.lr is None else f"{suggestion.lr:.3g}",
        "95% interval": interval,
        "seeds without answer": f"{without} of {len(suggestion.readings)}",
        "note": suggestion.problem.note if suggestion.problem else "-",
    }
