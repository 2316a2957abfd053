"""Table: effort, the seconds of training per percentage point of accuracy."""

from __future__ import annotations

import pandas as pd

from lenet.config import ConfigError
from study.analysis.points import distinguishing_settings, point_curves
from study.analysis.results import Results
from study.analysis.statistics import Mean
from study.analysis.wording import column_heading, format_measurement
from study.tables.cells import Measurement, check_names, setting_cells


def make(results: Results, *, quantity: str = "test_accuracy", above: float = 0.9) -> pd.DataFrame:
    """Return a row per point whose accuracy exceeds `above` (in [0, 1]) at a record.

    A point counts with its record of the highest mean accuracy, the first of equals. The effort is
    train_seconds / (100 * accuracy), in seconds per percentage point, of means over seeds. The
    least effort comes first.
    """
    check_names(results, columns=[quantity])
    if not quantity.endswith("_accuracy"):
        raise ConfigError(
            f"effort is seconds per point of accuracy: name an accuracy, not {quantity}"
        )
    curves = point_curves(results, quantity)
    if curves.empty:
        return curves
    settings = results.varied_settings
    curves = curves[curves["mean"] > above]
    if settings:
        best = curves.loc[curves.groupby(settings, dropna=False)["mean"].idxmax()]
    else:
        best = curves.nlargest(1, "mean")
    best = best.assign(effort=best["train_seconds"] / (100 * best["mean"]))
    columns = distinguishing_settings(results)
    rows = []
    for row in best.sort_values("effort", kind="stable").to_dict("records"):
        seeds, diverged = int(row["seeds"]), int(row["diverged"])
        over_seeds = Mean(row["mean"], row["half_width"], seeds - diverged)
        rows.append(
            {
                **setting_cells(columns, [row[name] for name in columns]),
                "step": f"{row['step']:,}",
                column_heading(quantity): Measurement(over_seeds, seeds, diverged).text(quantity),
                "seconds": f"{row['train_seconds']:.1f}",
                "effort": format_measurement("effort", row["effort"]),
            }
        )
    return pd.DataFrame(rows)
