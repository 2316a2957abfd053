"""Table: the cost of Ray compared with torchrun and with a plain process."""

from __future__ import annotations

import pandas as pd

from search_spaces.hardware import LAUNCHERS
from study.analysis.results import Results
from study.analysis.speedup import other_varied_settings, scaling_trials
from study.analysis.statistics import UNBOUNDED
from study.tables.cells import format_repeats, format_workers, setting_cells


def make(results: Results) -> pd.DataFrame:
    """Return a row per baseline launcher, and per point that it and Ray both trained.

    Both use the same strategy to share a step. Cells are paired by repeat: means with 95%
    intervals.

    - `steps/s, ratio`: Ray's steps per second divided by the baseline's; 1 means no cost.
    - `processes and group, s more`: additional seconds to start the processes and their group.
      Ray itself, which starts once, is excluded, and so are starts that crashed.
    - `data, s more`: additional seconds to load the data. Ray's workers read the object store,
      the baselines' workers read files.
    """
    trials = scaling_trials(results)
    if trials.empty:
        return pd.DataFrame()
    trials = trials.assign(start=trials["launch_seconds"] + trials["group_seconds"])
    point = [
        "processor",
        "workers",
        "strategy",
        "width",
        "batch_size",
        *other_varied_settings(results),
    ]
    ray = trials[trials["launcher"] == "ray"]
    rows = []
    for baseline in LAUNCHERS[1:]:
        paired = ray.merge(
            trials[trials["launcher"] == baseline], on=[*point, "seed"], suffixes=("", "_other")
        )
        for key, group in paired.groupby(point, dropna=False):
            settings = dict(zip(point, key, strict=True))
            settings["batch_size"] = group["batch"].iloc[0]
            start = (group["start"] - group["start_other"]).dropna()
            rows.append(
                {
                    "Ray against": baseline,
                    "workers": format_workers(int(str(settings.pop("workers"))), group),
                    **setting_cells(list(settings), settings.values()),
                    "steps/s, ratio": format_repeats(
                        group["steps_per_second"] / group["steps_per_second_other"]
                    ),
                    "processes and group, s more": format_repeats(start, UNBOUNDED)
                    if len(start)
                    else "-",
                    "data, s more": format_repeats(
                        group["load_seconds"] - group["load_seconds_other"], UNBOUNDED
                    ),
                }
            )
    return pd.DataFrame(rows)
