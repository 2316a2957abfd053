"""Scaling: speed, speed-up and efficiency by the number of workers."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import speedups, other_varied_settings, seconds_to_accuracy
from study.tables.cells import setting_cells, format_repeats, format_workers


def make(results: Results, *, weak: bool, target: float = 0.95) -> pd.DataFrame:
    """A row per point of Ray's workers, of strong or of weak scaling: means over repeats with half
    of their 95% interval. Rates are of the mean step behind the warm-up, beside which stands the
    median. `target` is a validation accuracy in [0, 1]; the time to it is of training alone:
    start-up and evaluation are left out, and what the first steps took longer than others.

    No rows of weak scaling where there is nothing but one worker.
    """
    shown = speedups(results, weak=weak)
    if shown.empty or shown["workers"].max() == 1:
        return pd.DataFrame()
    shown = shown.assign(target=seconds_to_accuracy(results, shown, target))
    by = ["processor", "width", *other_varied_settings(results), "base_batch", "workers"]
    rows = []
    for key, inside in shown.groupby(by, dropna=False):
        cells = dict(zip(by, key, strict=True))
        rows.append(
            {
                "workers": format_workers(int(str(cells["workers"])), inside),
                **setting_cells(["processor", "width"], [cells["processor"], cells["width"]]),
                **setting_cells(other_varied_settings(results), [cells[name] for name in other_varied_settings(results)]),
                "batch": str(int(inside["batch"].iloc[0])),
                "samples/s": format_repeats(inside["samples_per_second"]),
                "steps/s": format_repeats(inside["steps_per_second"]),
                "median step, ms": format_repeats(1e3 * inside["median_seconds"]),
                "s per epoch": format_repeats(inside["epoch_seconds"]),
                f"s to {100 * target:g} %": format_repeats(inside["target"]),
                "speed-up": format_repeats(inside["speed_up"]),
                "efficiency": format_repeats(inside["efficiency"]),
            }
        )
    return pd.DataFrame(rows)
