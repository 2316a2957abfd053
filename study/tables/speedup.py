"""Table: speed, speedup and efficiency by number of workers."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import other_varied_settings, seconds_to_accuracy, speedups
from study.tables.cells import format_repeats, format_workers, setting_cells


def make(results: Results, *, weak: bool, target: float = 0.95) -> pd.DataFrame:
    """Return a row per point of Ray's workers in strong or weak scaling.

    Cells are means over repeats with 95% intervals. Rates use the mean step after the warm-up; the
    median step has its own column. `target` is a validation accuracy in [0, 1]; the time to reach
    it excludes start-up, evaluation and the warm-up.

    Empty if the run has only one worker.
    """
    trials = speedups(results, weak=weak)
    if trials.empty or trials["workers"].max() == 1:
        return pd.DataFrame()
    trials = trials.assign(target=seconds_to_accuracy(results, trials, target))
    settings = ["processor", "width", *other_varied_settings(results)]
    rows = []
    for key, point in trials.groupby([*settings, "base_batch", "workers"], dropna=False):
        *values, _, workers = key
        rows.append(
            {
                "workers": format_workers(int(str(workers)), point),
                **setting_cells(settings, values),
                "batch": str(int(point["batch"].iloc[0])),
                "samples/s": format_repeats(point["samples_per_second"]),
                "steps/s": format_repeats(point["steps_per_second"]),
                "median step, ms": format_repeats(1e3 * point["median_seconds"]),
                "s per epoch": format_repeats(point["epoch_seconds"]),
                f"s to {100 * target:g} %": format_repeats(point["target"]),
                "speed-up": format_repeats(point["speedup"]),
                "efficiency": format_repeats(point["efficiency"]),
            }
        )
    return pd.DataFrame(rows)
