"""Table: published accuracies beside the measured ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
) -> pd.DataFrame:
    """Return a row per published value of the setting `by`.

    `published` maps each value of `by` to an accuracy in percent, or, with `panel`, the values of
    that setting to such mappings.

    `measured %` is the mean over seeds with the half-width of its 95% interval, or `not run`.
    `difference` is measured minus published, in percentage points. `within interval` is whether the
    published accuracy lies in the interval; one seed has no interval.

    By default, the accuracy is the test accuracy at the record with the best validation accuracy:
    the reports select the best epoch on data that they do not name.
    """
    check_names(results, settings=(*where, by, *([panel] if panel else [])), quantities=[quantity])
    if not Quantity.parse(quantity).column.endswith("_accuracy"):
        raise ConfigError(f"quantity {quantity} is not a percentage: name an accuracy")
    accuracies: dict[tuple[Any, ...], float]
    if panel:
        accuracies = {
            (coerce(panel, outer), coerce(by, inner)): accuracy
            for outer, by_value in published.items()
            for inner, accuracy in by_value.items()
        }
    else:
        accuracies = {(coerce(by, value),): accuracy for value, accuracy in published.items()}
    settings = [panel, by] if panel else [by]
    candidates = select(results.completed, where)
    points = [select(candidates, dict(zip(settings, key, strict=True))) for key in accuracies]
    names = [name for point in points for name in point["trial"]]
    selected = candidates[candidates["trial"].isin(names)]
    if selected.empty:
        return pd.DataFrame()
    rows = []
    for prefix, trials in split_by_other_settings(results, selected, settings):
        for key, accuracy in accuracies.items():
            point = select(trials, dict(zip(settings, key, strict=True)))
            measured = measure(results, point, quantity)
            cells = {
                "published %": f"{accuracy:g}",
                "measured %": measured.text(quantity) if measured.seeds else "not run",
                **_comparison(measured, accuracy),
            }
            rows.append(prefix | setting_cells(settings, key) | cells)
    return pd.DataFrame(rows)


def _comparison(measured: Measurement, published: float) -> dict[str, str]:
    mean = measured.over_seeds
    if mean is None or math.isnan(mean.mean):
        return {"difference": "-", "within interval": "-"}
    difference = 100 * mean.mean - published
    if mean.n == 1:
        within = "one seed"
    else:
        within = "yes" if abs(difference) <= 100 * mean.half_width else "no"
    return {"difference": f"{difference:+.2f}", "within interval": within}
