"""Table: which values of a setting, not named by a report, give the accuracies that it prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lenet.config import ConfigError
from study.analysis.quantity import Quantity
from study.analysis.results import Results, select
from study.analysis.wording import format_setting
from study.tables.cells import (
    Measurement,
    check_names,
    measure,
    setting_cells,
    split_by_other_settings,
)


def make(
    results: Results,
    *,
    setting: str,
    points: Sequence[tuple[Mapping[str, Any], int, float, float]],
    within: float = 1.0,
    quantity: str = "test_accuracy",
) -> pd.DataFrame:
    """Return a row per published point that this run reached.

    A point is (settings, step, lowest %, highest %): an accuracy, or the range of a phrase such as
    "over 91 %". `given by` lists the values of `setting` with which the mean over seeds lies in the
    range, or at most `within` percentage points outside it. `closest` is the value whose mean comes
    closest, with its mean and 95% interval in `measured %`. `difference` is measured minus
    published, in points; 0 inside a range.

    Raises: ConfigError if a setting or the quantity is unknown, or the quantity is no accuracy.
    """
    names = list(dict.fromkeys(name for where, *_ in points for name in where))
    check_names(results, settings=(*names, setting), quantities=[quantity])
    if not Quantity.parse(quantity).column.endswith("_accuracy"):
        raise ConfigError(f"quantity {quantity} is not a percentage: name an accuracy")
    completed = results.completed
    drawn = [name for where, *_ in points for name in select(completed, where)["trial"]]
    selected = completed[completed["trial"].isin(drawn)]
    if selected.empty:
        return pd.DataFrame()
    rows = []
    for prefix, trials in split_by_other_settings(results, selected, [*names, setting]):
        for where, step, low, high in points:
            inside = select(trials, where)
            by_value = {
                value: measure(results, select(inside, {setting: value}), quantity, step)
                for value in inside[setting].drop_duplicates().sort_values()
            }
            by_value = {v: m for v, m in by_value.items() if not math.isnan(m.mean)}
            if by_value:
                cells = setting_cells(names, [where.get(name) for name in names])
                compared = _compare(setting, by_value, (low, high), within, quantity)
                rows.append({**prefix, **cells, "step": f"{step:,}", **compared})
    return pd.DataFrame(rows)


def _compare(
    setting: str,
    by_value: Mapping[Any, Measurement],
    published: tuple[float, float],
    within: float,
    quantity: str,
) -> dict[str, str]:
    differences = {value: _beside(100 * m.mean, *published) for value, m in by_value.items()}
    matches = [
        format_setting(setting, value)
        for value, beside in differences.items()
        if abs(beside) <= within
    ]
    closest = min(differences, key=lambda value: abs(differences[value]))
    return {
        "published %": _range(*published),
        "given by": ", ".join(matches) or f"none of {len(by_value)}",
        "closest": format_setting(setting, closest),
        "measured %": by_value[closest].text(quantity),
        "difference": f"{differences[closest]:+z.2f}",
    }


def _beside(percent: float, low: float, high: float) -> float:
    """Return how far an accuracy lies outside the range: negative below it, 0 inside."""
    return min(percent - low, 0.0) + max(percent - high, 0.0)


def _range(low: float, high: float) -> str:
    if low == high:
        return f"{low:g}"
    if high == 100:
        return f"over {low:g}"
    return f"{low:g} to {high:g}" if low else f"below {high:g}"
