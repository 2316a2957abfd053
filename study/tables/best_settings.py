"""Table: the best learning rate for each value of another setting, such as the optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lenet.config import ConfigError
from study.analysis.results import Results, select
from study.analysis.wording import column_heading, format_value, label
from study.tables.cells import (
    best_point,
    check_names,
    measure,
    setting_cells,
    split_by_other_settings,
)

_SELECTED_BY = "validation_accuracy"
_MEASURED = (_SELECTED_BY, "test_loss", "test_accuracy")


def make(
    results: Results,
    *,
    where: Mapping[str, Any],
    per: Sequence[str],
    published: Mapping[Any, str] | None = None,
) -> pd.DataFrame:
    """Return the best learning rate for each combination of the settings `per`.

    The best learning rate has the highest mean validation accuracy over seeds at the last record. A
    learning rate with diverged seeds comes after all without. The cells are means over seeds with
    95% intervals, or `-` if nothing was validated.

    `published`: what a report has for each value of the last setting of `per`, in an extra column.
    """
    check_names(results, settings=(*where, *per), quantities=_MEASURED)
    if "lr" in per:
        raise ConfigError("this table chooses the learning rate: remove lr from `per`")
    selected = select(results.completed, where)
    rows = []
    for prefix, trials in split_by_other_settings(results, selected, [*per, "lr"]):
        for key, group in trials.groupby(list(per), dropna=False):
            points = {lr: point for lr, point in group.groupby("lr")}
            best = best_point({lr: measure(results, t, _SELECTED_BY) for lr, t in points.items()})
            if best is None:
                point = group
                text = "diverged" if (group["status"] == "diverged").all() else "-"
                cells = {column_heading(name): text for name in _MEASURED}
            else:
                point = points[best]
                cells = {
                    column_heading(name): measure(results, point, name).text(name)
                    for name in _MEASURED
                }
            rows.append(
                prefix
                | setting_cells(per, key)
                | {label("lr"): "-" if best is None else format_value(best)}
                | cells
                | ({"published": published.get(key[-1], "-")} if published else {})
                | {"seeds": str(point["seed"].nunique())}
            )
    return pd.DataFrame(rows)
