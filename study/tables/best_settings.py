"""Best settings: the best learning rate of each model, optimizer or the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.wording import column_heading, label, format_value
from study.tables import TableError
from study.tables.cells import best_point, check_names, measure, setting_cells, split_by_other_settings

_SELECTED_BY = "validation_accuracy"
_MEASURED = (_SELECTED_BY, "test_loss", "test_accuracy")


def make(results: Results, *, where: Mapping[str, Any], per: Sequence[str]) -> pd.DataFrame:
    """For each combination of the settings `per`, the learning rate with the best mean
    validation accuracy and what it came to, at the trials' last record: means over seeds with
    half of their 95% interval, accuracies in percent, losses as `lenet.records.Record` has them.

    A learning rate with which some seed diverged comes after all with which none did. Where
    all diverged, or nothing was validated, there is no best one.
    """
    check_names(results, (*where, *per), _MEASURED)
    if "lr" in per:
        raise TableError("the learning rate is what is chosen: leave lr out of `per`")
    shown = select(results.completed, where)
    made = []
    for part, trials in split_by_other_settings(results, shown, [*per, "lr"]):
        for key, inside in trials.groupby(list(per), dropna=False):
            points = {lr: runs for lr, runs in inside.groupby("lr")}
            chosen = best_point({lr: measure(results, t, _SELECTED_BY) for lr, t in points.items()})
            runs = inside if chosen is None else points[chosen]
            if chosen is not None:
                cells = {column_heading(q): measure(results, runs, q).text(q) for q in _MEASURED}
            else:
                nothing = "diverged" if (inside["status"] == "diverged").all() else "-"
                cells = {column_heading(q): nothing for q in _MEASURED}
            made.append(
                part
                | setting_cells(per, key)
                | {label("lr"): "-" if chosen is None else format_value(chosen)}
                | cells
                | {"seeds": str(runs["seed"].nunique())}
            )
    return pd.DataFrame(made)
