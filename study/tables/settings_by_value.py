"""Settings by value: a row per value of one setting, a column per another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.wording import label, format_value
from study.tables.cells import check_names, measure, setting_cells, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any],
    rows: str,
    columns: str,
    quantity: str = "test_accuracy",
) -> pd.DataFrame:
    """A column of the records at the trials' last record, by the settings `rows` and `columns`,
    over the trials with the settings in `where`: means over seeds with half of their 95%
    interval, accuracies in percent, `-` for a combination without a result.
    """
    check_names(results, (*where, rows, columns), [quantity])
    shown = select(results.completed, where)
    across = [v for v in results.values_of(columns) if not select(shown, {columns: v}).empty]
    made = []
    for part, trials in split_by_other_settings(results, shown, (rows, columns)):
        for value in results.values_of(rows):
            inside = select(trials, {rows: value})
            if inside.empty:
                continue
            cells = {
                f"{label(columns)} {format_value(v)}": measure(
                    results, select(inside, {columns: v}), quantity
                ).text(quantity)
                for v in across
            }
            made.append(part | setting_cells([rows], [value]) | cells)
    return pd.DataFrame(made)
