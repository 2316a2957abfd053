"""The points of a run: which settings distinguish them, and their curves over training time."""

from __future__ import annotations

import pandas as pd

from study.analysis import statistics
from study.analysis.results import Results

# These settings identify a point to the reader, even if others would distinguish it.
_ALWAYS_NAMED = ("dataset", "model", "optimizer", "lr", "schedule", "batch_size")


def distinguishing_settings(results: Results) -> list[str]:
    """Return the settings that vary, except those that others determine.

    For example, the number of steps may follow from the batch size.
    """
    settings = results.varied_settings
    points = results.trials[settings].drop_duplicates()
    for name in reversed(results.varied_settings):
        others = [other for other in settings if other != name]
        if name not in _ALWAYS_NAMED and others and not points[others].duplicated().any():
            settings = others
    return settings


def point_curves(results: Results, quantity: str) -> pd.DataFrame:
    """Return the curve of every point over steps, averaged over seeds.

    There is a row for each record at which all seeds that did not diverge were evaluated, sorted by
    settings and step. Columns: the settings that vary (except the seed); `step`; `mean` and
    `half_width` of the quantity over seeds; `train_seconds` (mean of one trial); `seeds` and
    `diverged` (counts).
    """
    settings = results.varied_settings
    trials = results.completed
    rows: list[pd.DataFrame] = []
    for key, point in trials.groupby(settings, dropna=False) if settings else [((), trials)]:
        converged = point.loc[point["status"] != "diverged", "trial"]
        records = results.records[results.records["trial"].isin(converged)]
        values = records.pivot(index="step", columns="trial", values=quantity).dropna()
        seconds = records.pivot(index="step", columns="trial", values="train_seconds")
        if values.empty:
            continue
        rows.append(
            pd.DataFrame(
                {
                    **dict(zip(settings, key, strict=True)),
                    "step": values.index,
                    "mean": values.mean(axis=1),
                    "half_width": statistics.half_width(values.std(axis=1), values.shape[1]),
                    "train_seconds": seconds.loc[values.index].mean(axis=1),
                    "seeds": len(point),
                    "diverged": len(point) - len(converged),
                }
            )
        )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
