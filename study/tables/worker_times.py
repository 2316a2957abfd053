"""Table: published total training times by number of GPUs, beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import (
    other_varied_settings,
    ray_trials,
    scaling_trials,
    smallest_workload,
)
from study.tables.cells import format_converged_repeats, format_workers, setting_cells


def make(results: Results, *, published: Mapping[int, float]) -> pd.DataFrame:
    """Return a row per processor and number of Ray's workers, measured or published.

    `published`: seconds by number of GPUs. Measured seconds are means over repeats with their 95%
    interval, for each value of other settings that vary. As in the reports, they are the seconds of
    all training steps: they include the warm-up and exclude start-up and evaluation.
    """
    trials = ray_trials(smallest_workload(scaling_trials(results)))
    if trials.empty:
        return pd.DataFrame()
    varied = other_varied_settings(results)
    groups = list(trials.groupby(varied, dropna=False)) if varied else [((), trials)]
    rows = []
    for key, group in groups:
        measured = {
            (str(processor), int(str(workers))): point
            for (processor, workers), point in group.groupby(["processor", "workers"])
        }
        for processor, workers in sorted({*measured, *(("gpu", n) for n in published)}):
            point = measured.get((processor, workers))
            is_published = processor == "gpu" and workers in published
            rows.append(
                {
                    "processor": processor,
                    "workers": str(workers) if point is None else format_workers(workers, point),
                    **setting_cells(varied, key),
                    "published s": f"{published[workers]:g}" if is_published else "-",
                    "measured s": "not run"
                    if point is None
                    else format_converged_repeats(point, "train_seconds"),
                }
            )
    return pd.DataFrame(rows)
