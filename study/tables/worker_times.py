"""Worker times: the total training time that a report prints by number of GPUs, beside ours."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import smallest_workload, other_varied_settings, scaling_trials
from study.tables.cells import setting_cells, format_converged_repeats, format_workers


def make(results: Results, *, published: Mapping[int, float]) -> pd.DataFrame:
    """A row per processor and number of Ray's workers, and per published number of GPUs: the
    seconds printed and those measured, means over repeats with half of their 95% interval, for
    each value of other settings that vary.

    The seconds are those of all training steps, as published: the warm-up is in, start-up and
    evaluation are not. Runs that diverged end early: they are not in the mean, which the cell
    says."""
    trained = smallest_workload(scaling_trials(results))
    if trained.empty:
        return pd.DataFrame()
    trained = trained[trained["launcher"] == "ray"]
    varied = other_varied_settings(results)
    parts = list(trained.groupby(varied, dropna=False)) if varied else [((), trained)]
    rows = []
    for key, part in parts:
        measured = {
            (str(processor), int(str(workers))): inside
            for (processor, workers), inside in part.groupby(["processor", "workers"])
        }
        for processor, workers in sorted({*measured, *(("gpu", n) for n in published)}):
            inside = measured.get((processor, workers))
            printed = processor == "gpu" and workers in published
            rows.append(
                {
                    "processor": processor,
                    "workers": str(workers) if inside is None else format_workers(workers, inside),
                    **setting_cells(varied, key),
                    "published s": f"{published[workers]:g}" if printed else "-",
                    "measured s": "not run"
                    if inside is None
                    else format_converged_repeats(inside, "train_seconds"),
                }
            )
    return pd.DataFrame(rows)
