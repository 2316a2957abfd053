"""Effort: what a percentage point of accuracy costs in seconds of training."""

from __future__ import annotations

import pandas as pd

from study.analysis.points import point_curves, distinguishing_settings
from study.analysis.results import Results
from study.analysis.statistics import Mean
from study.analysis.wording import format_measurement, column_heading
from study.tables import TableError
from study.tables.cells import Measurement, check_names, setting_cells


def make(results: Results, *, quantity: str = "test_accuracy", above: float = 0.9) -> pd.DataFrame:
    """A row per point of the space whose accuracy exceeds `above` (in [0, 1]) at some record,
    the least effort first.

    The effort is train_seconds / (100 * accuracy), in seconds per percentage point, of means
    over seeds. A point stands there with its evaluated record of the highest mean accuracy,
    the first of equals. Seconds are those of one trial spent in training steps. Points are
    told apart by the settings that vary, seed apart; those that only go with others are left
    out.
    """
    check_names(results, (), [quantity])
    if not quantity.endswith("_accuracy"):
        raise TableError(f"effort is a price of accuracy, and {quantity} is none")
    every = point_curves(results, quantity)
    if every.empty:
        return every
    settings = results.varied_settings
    every = every[every["mean"] > above]
    if settings:
        best = every.loc[every.groupby(settings, dropna=False)["mean"].idxmax()]
    else:
        best = every.nlargest(1, "mean")
    best = best.assign(effort=best["train_seconds"] / (100 * best["mean"]))
    columns = distinguishing_settings(results)
    made = []
    for row in best.sort_values("effort", kind="stable").to_dict("records"):
        seeds, diverged = int(row["seeds"]), int(row["diverged"])
        over_seeds = Mean(row["mean"], row["half_width"], seeds - diverged)
        made.append(
            {
                **setting_cells(columns, [row[name] for name in columns]),
                "step": f"{row['step']:,}",
                column_heading(quantity): Measurement(over_seeds, seeds, diverged).text(quantity),
                "seconds": f"{row['train_seconds']:.1f}",
                "effort": format_measurement("effort", row["effort"]),
            }
        )
    return pd.DataFrame(made)
