"""Table: effort, the seconds of training per percentage point of accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from study.analysis.effort import ranking
from study.analysis.points import distinguishing_settings
from study.analysis.results import Results, select
from study.analysis.statistics import Mean
from study.analysis.wording import column_heading, format_measurement
from study.tables.cells import Measurement, check_names, setting_cells


def make(
    results: Results,
    *,
    where: Mapping[str, Any] | None = None,
    quantity: str = "test_accuracy",
    above: float = 0.9,
) -> pd.DataFrame:
    """Return a row per point of the trials in `where` whose accuracy exceeds `above` (in [0, 1]).

    See `study.analysis.effort.ranking`: the least effort comes first.
    """
    check_names(results, settings=where or (), columns=[quantity])
    grid = replace(results, trials=select(results.trials, where or {}))
    columns = distinguishing_settings(grid)
    rows = []
    for row in ranking(grid, quantity, above).to_dict("records"):
        seeds, diverged = int(row["seeds"]), int(row["diverged"])
        over_seeds = Mean(row["mean"], row["low"], row["high"], seeds - diverged)
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
