"""Launchers: what Ray costs over torchrun and over a plain process."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import LAUNCHERS, other_varied_settings, scaling_trials
from study.tables.cells import setting_cells, format_repeats, format_workers


def make(results: Results) -> pd.DataFrame:
    """A row per baseline and point that both trained: Ray's steps per second as a share of the
    baseline's, the seconds that starting its processes and their group took longer (Ray itself,
    which starts once, not counted in), and those that getting the data into the workers did, which
    read them from the object store where the baselines read files; paired by repeat, means with
    half of their 95% interval. 1 is no cost. A start that is not known, since an attempt before it
    crashed, is left out.
    """
    trained = scaling_trials(results)
    if trained.empty:
        return pd.DataFrame()
    trained = trained.assign(start=trained["launch_seconds"] + trained["group_seconds"])
    point = ["processor", "workers", "width", "batch_size", *other_varied_settings(results)]
    ray = trained[trained["launcher"] == "ray"]
    rows = []
    for baseline in LAUNCHERS[1:]:
        paired = ray.merge(
            trained[trained["launcher"] == baseline], on=[*point, "seed"], suffixes=("", "_other")
        )
        for key, inside in paired.groupby(point, dropna=False):
            cells = dict(zip(point, key, strict=True))
            cells["batch_size"] = inside["batch"].iloc[0]
            longer = (inside["start"] - inside["start_other"]).dropna()
            load = inside["load_seconds"] - inside["load_seconds_other"]
            rows.append(
                {
                    "Ray against": baseline,
                    "workers": format_workers(int(str(cells.pop("workers"))), inside),
                    **setting_cells(list(cells), list(cells.values())),
                    "steps/s, ratio": format_repeats(
                        inside["steps_per_second"] / inside["steps_per_second_other"]
                    ),
                    "processes and group, s more": format_repeats(longer) if len(longer) else "-",
                    "data, s more": format_repeats(load),
                }
            )
    return pd.DataFrame(rows)
