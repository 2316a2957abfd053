"""The points of a run: what tells them apart, and each over the time of its training."""

from __future__ import annotations

import pandas as pd

from study.analysis import statistics
from study.analysis.results import Results

# What a point is about; they name it even where others would tell it apart.
_ALWAYS = ("dataset", "model", "optimizer", "lr", "schedule", "batch_size")


def telling(results: Results) -> list[str]:
    """The settings that vary, less those that only go with others, such as the length of a
    training with its batch size: what is left tells the points apart.
    """
    points = results.trials[results.varied].drop_duplicates()
    kept = results.varied
    for name in reversed(results.varied):
        rest = [other for other in kept if other != name]
        if name not in _ALWAYS and rest and not points[rest].duplicated().any():
            kept = rest
    return kept


def over_time(results: Results, quantity: str) -> pd.DataFrame:
    """Every point of the space at every record where all of its seeds that did not diverge
    were evaluated: a row each, by settings and then by step.

    Columns: the settings that vary, seed apart; `step`; `mean` and `half_width` of the
    quantity over seeds; `train_seconds` (mean of one trial); `seeds` and `diverged` (counts).
    """
    settings = results.varied
    trials = results.counted
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
