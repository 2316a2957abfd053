"""Published: accuracies that a report prints, beside those measured here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lenet.config import coerce
from study.analysis.results import Results, select
from study.tables import TableError
from study.tables.cells import Measurement, check_names, measure, setting_cells, split_by_other_settings


def make(
    results: Results,
    *,
    where: Mapping[str, Any],
    by: str,
    published: Mapping[Any, Any],
    panel: str | None,
    quantity: str = "test_accuracy_at_best",
) -> pd.DataFrame:
    """A row per value of the setting `by`, in the order of `published`, which maps it to an
    accuracy in percent; with `panel`, it maps the values of that setting to such mappings.

    Measured is the mean over seeds with half of its 95% interval; the difference is measured
    less published, in percentage points; whether the published value lies within the interval
    cannot be said of one seed. The accuracy is the test accuracy at each trial's record with the
    best validation accuracy: the selection is on validation data, where the reports took the
    best epoch on data that they do not name. A value without a result was `not run`.
    """
    check_names(results, (*where, by, *([panel] if panel else [])), [quantity])
    if not quantity.removesuffix("_at_best").endswith("_accuracy"):
        raise TableError(f"quantity {quantity} is not compared in percent: name an accuracy")
    printed: dict[tuple[Any, ...], float]
    if panel:
        printed = {
            (coerce(panel, outer), coerce(by, inner)): number
            for outer, numbers in published.items()
            for inner, number in numbers.items()
        }
    else:
        printed = {(coerce(by, value),): number for value, number in published.items()}
    settings = [panel, by] if panel else [by]
    candidates = select(results.completed, where)
    of_each = [select(candidates, dict(zip(settings, key, strict=True))) for key in printed]
    shown = candidates[candidates["trial"].isin([name for t in of_each for name in t["trial"]])]
    if shown.empty:
        return pd.DataFrame()
    made = []
    for part, trials in split_by_other_settings(results, shown, settings):
        for key, number in printed.items():
            inside = select(trials, dict(zip(settings, key, strict=True)))
            measured = measure(results, inside, quantity)
            cells = {
                "published %": f"{number:g}",
                "measured %": measured.text(quantity) if measured.seeds else "not run",
                **_compared(measured, number),
            }
            made.append(part | setting_cells(settings, key) | cells)
    return pd.DataFrame(made)


def _compared(measured: Measurement, published: float) -> dict[str, str]:
    difference, within = "-", "-"
    if measured.over_seeds and measured.mean == measured.mean:
        off = 100 * measured.mean - published
        difference = f"{off:+.2f}"
        if measured.over_seeds.n == 1:
            within = "one seed"
        else:
            within = "yes" if abs(off) <= 100 * measured.over_seeds.half_width else "no"
    return {"difference": difference, "within interval": within}
