"""Table: the whole time of the program and its parts, by launcher and number of workers."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import other_varied_settings, scaling_trials, smallest_workload
from study.tables.cells import (
    format_converged_repeats,
    format_repeats,
    format_workers,
    setting_cells,
)

_START_UP = ["launch_seconds", "group_seconds", "load_seconds"]
_HEADINGS = {
    "total_seconds": "T, whole program (s)",
    "start_up_seconds": "of it start-up (s)",
    "train_seconds": "training steps (s)",
    "other_seconds": "evaluation and files (s)",
}


def make(results: Results) -> pd.DataFrame:
    """Return a row per launcher, strategy, processor and number of workers, and per value of other
    settings that vary.

    Cells are means over repeats with 95% intervals, of the narrowest net with the smallest batch.
    `T` is `total_seconds` (see `study.analysis.speedup`), and `v` is steps per second from the mean
    step after the warm-up. Diverged trials end early and are excluded from all times. So are trials
    whose T is unknown because an earlier attempt trained part of them.

    Empty for runs that did not measure T.
    """
    trials = smallest_workload(scaling_trials(results))
    if trials.empty or "total_seconds" not in trials:
        return pd.DataFrame()
    start_up = trials[_START_UP].sum(axis=1)
    other = trials["total_seconds"] - start_up - trials["train_seconds"]
    trials = trials.assign(start_up_seconds=start_up, other_seconds=other)
    keys = ["launcher", "strategy", "processor", "workers", *other_varied_settings(results)]
    rows = []
    for key, group in trials.groupby(keys, dropna=False):
        launcher, strategy, processor, workers, *values = key
        timed = group.dropna(subset="total_seconds")
        rows.append(
            {
                "launcher": str(launcher),
                "strategy": str(strategy),
                "processor": str(processor),
                "workers": format_workers(int(str(workers)), group),
                **setting_cells(keys[4:], values),
                **{
                    heading: format_converged_repeats(timed, column) if len(timed) else "-"
                    for column, heading in _HEADINGS.items()
                },
                "v (steps/s)": format_repeats(group["steps_per_second"]),
            }
        )
    return pd.DataFrame(rows)
