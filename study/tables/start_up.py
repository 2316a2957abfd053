"""Start-up: what passes before the first training step, told apart from training."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import START_UP_COLUMNS, scaling_trials
from study.tables.cells import format_repeats, format_workers

_CALLED = {
    "ray_seconds": "Ray and data, once (s)",
    "launch_seconds": "processes (s)",
    "group_seconds": "process group (s)",
    "load_seconds": "data (s)",
}


def make(results: Results) -> pd.DataFrame:
    """A row per launcher and number of workers: means over launches with half of their 95%
    interval, in seconds. `processes` is until the first worker runs, its imports counted in. A
    launch that trained several points started once for all of them, and Ray itself once for all
    launches of a session: of a run that was never resumed that is one measurement. A start
    that is not known, since an attempt before it crashed, is left out.
    """
    trained = scaling_trials(results)
    if trained.empty:
        return pd.DataFrame()
    launches = trained.dropna(subset=list(START_UP_COLUMNS)).drop_duplicates("launch")
    rows = []
    for (launcher, processor, workers), inside in launches.groupby(
        ["launcher", "processor", "workers"]
    ):
        rows.append(
            {
                "launcher": str(launcher),
                "processor": str(processor),
                "workers": format_workers(int(str(workers)), inside),
                "launches": str(len(inside)),
                _CALLED["ray_seconds"]: format_repeats(inside["ray_seconds"].drop_duplicates()),
                **{_CALLED[name]: format_repeats(inside[name]) for name in START_UP_COLUMNS[1:]},
                "sum per launch (s)": format_repeats(inside[list(START_UP_COLUMNS[1:])].sum(axis=1)),
            }
        )
    return pd.DataFrame(rows)
