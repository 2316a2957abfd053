"""Checkpoints: a row per step, a column per value of a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.wording import label, format_value
from study.tables.cells import check_names, measure, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any],
    steps: Sequence[int],
    columns: str,
    quantity: str = "test_accuracy",
) -> pd.DataFrame:
    """A column of the records at exactly the given steps, those that any trial came to, over the
    trials with the settings in `where`: means over seeds with half of their 95% interval,
    accuracies in percent, `-` where one of the seeds was not evaluated.
    """
    check_names(results, (*where, columns), [quantity])
    shown = select(results.completed, where)
    if shown.empty:
        return pd.DataFrame()
    across = [v for v in results.values_of(columns) if not select(shown, {columns: v}).empty]
    made = []
    for part, trials in split_by_other_settings(results, shown, [columns]):
        of_part = results.records[results.records["trial"].isin(trials["trial"])]
        for step in steps:
            if step > of_part["step"].max():
                continue
            cells = {
                f"{label(columns)} {format_value(v)}": measure(
                    results, select(trials, {columns: v}), quantity, step
                ).text(quantity)
                for v in across
            }
            made.append(part | {"step": f"{step:,}"} | cells)
    return pd.DataFrame(made)
