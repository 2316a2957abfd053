"""Table: a quantity with a row per value of one setting and a column per value of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.wording import format_setting, label
from study.tables.cells import check_names, measure, setting_cells, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any],
    rows: str,
    columns: str,
    quantity: str = "test_accuracy",
) -> pd.DataFrame:
    """Return a row per value of the setting `rows`, a column per value of `columns`.

    Cells are means of `quantity` over seeds at the last record, with 95% intervals, of the trials
    with the settings `where`, or `-` for a combination without a result.
    """
    check_names(results, settings=(*where, rows, columns), quantities=[quantity])
    selected = select(results.completed, where)
    values = [v for v in results.values_of(columns) if not select(selected, {columns: v}).empty]
    table = []
    for prefix, trials in split_by_other_settings(results, selected, (rows, columns)):
        for row_value in results.values_of(rows):
            row = select(trials, {rows: row_value})
            if row.empty:
                continue
            cells = {
                f"{label(columns)} {format_setting(columns, value)}": measure(
                    results, select(row, {columns: value}), quantity
                ).text(quantity)
                for value in values
            }
            table.append(prefix | setting_cells([rows], [row_value]) | cells)
    return pd.DataFrame(table)
