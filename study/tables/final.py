"""Table: final values of each point, or its values at one step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lenet.config import ConfigError
from search_spaces.objective import maximized
from study.analysis.quantity import Quantity
from study.analysis.results import Results, select
from study.analysis.wording import column_heading
from study.tables.cells import check_names, measure, setting_cells, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any] = {},
    settings: Sequence[str],
    quantities: Sequence[str],
    where_step: int | None = None,
) -> pd.DataFrame:
    """Return a row per combination of `settings`, with `quantities` at the last record.

    Cells are means over seeds with 95% intervals, of the trials with the settings `where`. Rows are
    sorted by the first quantity, best value first; points whose seeds all diverged come last.

    `where_step`: take the record of this step instead of the last one, and omit points without a
    trial that reached it, unless a trial diverged.
    """
    check_names(results, settings=(*where, *settings), quantities=quantities)
    if not settings or not quantities:
        raise ConfigError("a table of final values needs at least one setting and one quantity")
    sign = -1 if maximized(Quantity.parse(quantities[0]).column) else 1
    selected = select(results.completed, where)
    if where_step is not None:
        last = results.records.groupby("trial")["step"].max()
        counts = (selected["trial"].map(last) >= where_step) | (selected["status"] == "diverged")
        points = selected.groupby(list(settings), dropna=False).ngroup()
        selected = selected[points.isin(points[counts])]
    rows = []
    for prefix, trials in split_by_other_settings(results, selected, settings):
        group_rows = []
        for key, point in trials.groupby(list(settings), dropna=False):
            measured = {name: measure(results, point, name, where_step) for name in quantities}
            cells = {
                column_heading(name.removeprefix("observed_")): value.text(name)
                for name, value in measured.items()
            }
            first = measured[quantities[0]]
            order = math.inf if math.isnan(first.mean) else sign * first.mean
            row = prefix | setting_cells(settings, key) | cells
            group_rows.append(((first.over_seeds is None, order), row))
        rows += [row for _, row in sorted(group_rows, key=lambda item: item[0])]
    return pd.DataFrame(rows)
