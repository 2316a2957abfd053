"""Table: published accuracies beside the measured ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from lenet.config import ConfigError, coerce
from study.analysis.quantity import Quantity
from study.analysis.results import Results, select
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
    where: Mapping[str, Any],
    by: str,
    published: Mapping[Any, Any],
    panel: str | None,
    quantity: str = "test_accuracy_at_best",
    beside: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    also: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return a row per published value of the setting `by`, for the trials with settings `where`.

    `published` maps each value of `by` to an accuracy in percent, or to None if none is published;
    with `panel`, it maps the values of that setting to such mappings.

    `measured %` is the mean over seeds with its 95% interval, or `not run`.
    `difference` is measured minus published, in percentage points. `within interval` is whether the
    published accuracy lies in the interval; one seed has no interval. Each heading in `beside` adds
    a column for the trials with its settings instead of `where`, and each one in `also` a column
    for another quantity of the same trials.

    By default, the accuracy is the test accuracy at the record with the best validation accuracy:
    the reports select the best epoch on data that they do not name.
    """
    settings = [panel, by] if panel else [by]
    sides = [name for side in (where, *beside.values()) for name in side]
    check_names(results, settings=(*sides, *settings), quantities=[quantity, *also.values()])
    if not Quantity.parse(quantity).column.endswith("_accuracy"):
        raise ConfigError(f"quantity {quantity} is not a percentage: name an accuracy")
    accuracies: dict[tuple[Any, ...], float | None]
    if panel:
        accuracies = {
            (coerce(panel, outer), coerce(by, inner)): accuracy
            for outer, by_value in published.items()
            for inner, accuracy in by_value.items()
        }
    else:
        accuracies = {(coerce(by, value),): accuracy for value, accuracy in published.items()}
    points = [dict(zip(settings, key, strict=True)) for key in accuracies]
    names = {
        name
        for side in (where, *beside.values())
        for point in points
        for name in select(results.completed, {**side, **point})["trial"]
    }
    selected = results.completed[results.completed["trial"].isin(names)]
    if selected.empty:
        return pd.DataFrame()
    rows = []
    for prefix, trials in split_by_other_settings(results, selected, [*settings, *sides]):
        if select(trials, where).empty:
            continue
        for point, (key, accuracy) in zip(points, accuracies.items(), strict=True):
            found = select(trials, {**where, **point})
            measured = measure(results, found, quantity)
            cells = {
                "published %": "-" if accuracy is None else f"{accuracy:g}",
                "measured %": _text(measured, quantity),
                **_comparison(measured, accuracy),
            }
            for heading, other_quantity in also.items():
                cells[heading] = _text(measure(results, found, other_quantity), other_quantity)
            for heading, side in beside.items():
                other = measure(results, select(trials, {**side, **point}), quantity)
                cells[heading] = _text(other, quantity)
            rows.append(prefix | setting_cells(settings, key) | cells)
    return pd.DataFrame(rows)


def _text(measured: Measurement, quantity: str) -> str:
    return measured.text(quantity) if measured.seeds else "not run"


def _comparison(measured: Measurement, published: float | None) -> dict[str, str]:
    mean = measured.over_seeds
    if published is None or mean is None or math.isnan(mean.mean):
        return {"difference": "-", "within interval": "-"}
    difference = 100 * mean.mean - published
    if mean.n == 1:
        within = "one seed"
    else:
        within = "yes" if mean.low <= published / 100 <= mean.high else "no"
    return {"difference": f"{difference:+z.2f}", "within interval": within}
