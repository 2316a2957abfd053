"""Table: start-up time before the first training step."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import scaling_trials
from study.tables.cells import format_repeats, format_workers

_HEADINGS = {
    "launch_seconds": "processes (s)",
    "group_seconds": "process group (s)",
    "load_seconds": "data (s)",
}


def make(results: Results) -> pd.DataFrame:
    """Return a row per launcher and number of workers.

    Cells are means in seconds over launches, with 95% intervals. `processes` is the time until the
    first worker runs, including its imports. A launch starts once for all points that it trains.
    Ray itself starts once for all launches of a session, so a run that was never resumed has one
    measurement of it. A start is excluded if a crash lost its time.
    """
    trials = scaling_trials(results)
    if trials.empty:
        return pd.DataFrame()
    launches = trials.dropna(subset=["ray_seconds", *_HEADINGS]).drop_duplicates("launch")
    rows = []
    for (launcher, processor, workers), group in launches.groupby(
        ["launcher", "processor", "workers"]
    ):
        rows.append(
            {
                "launcher": str(launcher),
                "processor": str(processor),
                "workers": format_workers(int(str(workers)), group),
                "launches": str(len(group)),
                "Ray and data, once (s)": format_repeats(group["ray_seconds"].drop_duplicates()),
                **{text: format_repeats(group[column]) for column, text in _HEADINGS.items()},
                "sum per launch (s)": format_repeats(group[list(_HEADINGS)].sum(axis=1)),
            }
        )
    return pd.DataFrame(rows)
