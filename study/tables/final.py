"""Final: what each point came to in the end, or at one step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.wording import column_heading
from study.tables import TableError
from study.tables.cells import check_names, measure, setting_cells, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any] = {},
    settings: Sequence[str],
    quantities: Sequence[str],
    where_step: int | None = None,
) -> pd.DataFrame:
    """A row per combination of the `settings` that occurs, with columns of the records at the
    trials' last record, or at that of the step `where_step`, over the trials with the settings
    in `where`: means over seeds with half of their 95% interval, accuracies in percent.

    Sorted by the first quantity, accuracies falling and all else rising; points that diverged
    with every seed come last. With `where_step`, points none of whose trials came so far are
    left out, unless they diverged before.
    """
    check_names(results, (*where, *settings), quantities)
    if not settings or not quantities:
        raise TableError("a table of final values needs settings and quantities: name one each")
    sign = -1 if quantities[0].endswith("accuracy") else 1
    shown = select(results.completed, where)
    if where_step is not None:
        last = results.records.groupby("trial")["step"].max()
        came = shown["trial"].map(last) >= where_step
        keys = shown.groupby(list(settings), dropna=False).ngroup()
        shown = shown[keys.isin(keys[came | (shown["status"] == "diverged")])]
    made = []
    for part, trials in split_by_other_settings(results, shown, settings):
        rows = []
        for key, inside in trials.groupby(list(settings), dropna=False):
            measured = {q: measure(results, inside, q, where_step) for q in quantities}
            first = measured[quantities[0]]
            cells = {
                column_heading(q.removeprefix("observed_")): value.text(q) for q, value in measured.items()
            }
            height = math.inf if first.mean != first.mean else sign * first.mean
            rows.append(((first.over_seeds is None, height), part | setting_cells(settings, key) | cells))
        made += [row for _, row in sorted(rows, key=lambda row: row[0])]
    return pd.DataFrame(made)
