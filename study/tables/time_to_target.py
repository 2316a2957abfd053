"""Table: how long each optimizer takes to a target at each point, by AlgoPerf's definition."""

from __future__ import annotations

import math

import pandas as pd

from study.analysis.results import Results
from study.analysis.time_to_target import times_to_target
from study.analysis.wording import format_measurement, label
from study.analysis.workloads import is_compared
from study.tables.cells import setting_cells

TIMES = ("train_seconds", "epoch")
"""The columns that count as time. Seconds compare only between trials in equal conditions."""


def make(results: Results) -> pd.DataFrame:
    """Return a row per kind of time and point, with the target and a column per optimizer.

    An empty frame if fewer than two optimizers share a point.
    """
    rows = []
    for time in TIMES if is_compared(results) else ():
        for workload in times_to_target(results, time):
            if len(workload.times) < 2:
                continue
            names = workload.settings
            rows.append(
                setting_cells(list(names), names.values())
                | {
                    "target": f"{label(results.objective)} "
                    + format_measurement(results.objective, workload.target),
                    "time in": label(time),
                }
                | {name: _cell(value) for name, value in workload.times.items()}
            )
    return pd.DataFrame(rows)


def _cell(value: float) -> str:
    return "not reached" if math.isinf(value) else f"{value:.4g}"
