"""Table: a quantity at several steps, with a column per value of a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.wording import format_setting, label
from study.tables.cells import check_names, measure, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any],
    steps: Sequence[int],
    columns: str,
    quantity: str = "test_accuracy",
) -> pd.DataFrame:
    """Return a row for each of `steps` that a trial reached, a column per value of `columns`.

    Cells are means over seeds with 95% intervals, of the trials with the settings `where`, or `-`
    if a seed was not evaluated at this step.
    """
    check_names(results, settings=(*where, columns), quantities=[quantity])
    selected = select(results.completed, where)
    if selected.empty:
        return pd.DataFrame()
    values = [v for v in results.values_of(columns) if not select(selected, {columns: v}).empty]
    rows = []
    for prefix, trials in split_by_other_settings(results, selected, [columns]):
        records = results.records[results.records["trial"].isin(trials["trial"])]
        for step in steps:
            if step > records["step"].max():
                continue
            cells = {
                f"{label(columns)} {format_setting(columns, value)}": measure(
                    results, select(trials, {columns: value}), quantity, step
                ).text(quantity)
                for value in values
            }
            rows.append(prefix | {"step": f"{step:,}"} | cells)
    return pd.DataFrame(rows)
