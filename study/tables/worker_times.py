"""Worker times: the total training time that a report prints by number of GPUs, beside ours."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from study.analysis.results import Results
from study.analysis.scaling import narrowest, runs
from study.tables.cells import over_repeats, workers_text


def make(results: Results, *, published: Mapping[int, float]) -> pd.DataFrame:
    """A row per processor and number of Ray's workers, and per published number of GPUs: the
    seconds printed and those measured, means over repeats with half of their 95% interval,
    start-up and evaluation left out."""
    trained = narrowest(runs(results))
    if trained.empty:
        return pd.DataFrame()
    trained = trained[trained["launcher"] == "ray"]
    measured = {
        (str(processor), int(str(workers))): inside
        for (processor, workers), inside in trained.groupby(["processor", "workers"])
    }
    rows = []
    for processor, workers in sorted({*measured, *(("gpu", n) for n in published)}):
        inside = measured.get((processor, workers))
        rows.append(
            {
                "processor": processor,
                "workers": str(workers) if inside is None else workers_text(workers, inside),
                "published s": f"{published[workers]:g}"
                if processor == "gpu" and workers in published
                else "-",
                "measured s": "not run"
                if inside is None
                else over_repeats(inside["train_seconds"]),
            }
        )
    return pd.DataFrame(rows)
