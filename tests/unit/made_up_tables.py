"""Declarations of tables about the made-up run, and what tests do with tables and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.analysis.results import Results

SGD = {"optimizer": "sgd"}
ADAM = {"optimizer": "adam"}

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "settings_by_value": {"where": SGD, "rows": "lr", "columns": "batch_size"},
    "published": {"where": SGD, "by": "lr", "published": {0.1: 97.0}, "panel": None},
    "checkpoints": {"where": SGD, "steps": (500,), "columns": "lr"},
    "effort": {},
    "matching_values": {"setting": "lr", "points": ((SGD | {"batch_size": 32}, 500, 94.5, 94.5),)},
    "best_settings": {"where": SGD, "per": ("optimizer",)},
    "optimizers_compared": {},
    "final": {"where": SGD, "settings": ("lr",), "quantities": ("test_loss",)},
}
"""the options of a table of each kind, by kind"""


def with_curves(results: Results, column: str, curves: Mapping[str, Sequence[float]]) -> Results:
    """Set a column of the records to these curves, by prefix of the names of the trials."""
    records = results.records.copy()
    for start, curve in curves.items():
        for _, rows in records[records["trial"].str.startswith(start)].groupby("trial"):
            records.loc[rows.index, column] = curve
    return Results(run=results.run, trials=results.trials, records=records)


def rows(table: pd.DataFrame) -> list[list[str]]:
    return table.to_numpy().tolist()
