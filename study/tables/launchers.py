"""Launchers: what Ray costs over torchrun and over a plain process."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.scaling import LAUNCHERS, START_UP, others, runs
from study.tables.cells import named, over_repeats, workers_text


def make(results: Results) -> pd.DataFrame:
    """A row per baseline and point that both trained: Ray's steps per second as a share of the
    baseline's, and the seconds that its start took longer (Ray itself, which starts once,
    not counted in), paired by repeat, means with half of their 95% interval. 1 is no cost. A start
    that is not known, since an attempt before it crashed, is left out.
    """
    trained = runs(results)
    if trained.empty:
        return pd.DataFrame()
    trained = trained.assign(start=trained[list(START_UP[1:])].sum(axis=1, skipna=False))
    point = ["processor", "workers", "width", "batch_size", *others(results)]
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
            rows.append(
                {
                    "Ray against": baseline,
                    "workers": workers_text(int(str(cells.pop("workers"))), inside),
                    **named(list(cells), list(cells.values())),
                    "steps/s, ratio": over_repeats(
                        inside["steps_per_second"] / inside["steps_per_second_other"]
                    ),
                    "start-up, s more": over_repeats(longer) if len(longer) else "-",
                }
            )
    return pd.DataFrame(rows)
