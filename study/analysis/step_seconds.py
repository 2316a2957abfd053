"""Seconds of training steps: from the timings of one trial, a row per worker and step, to what its
steps take once it is warm."""

from __future__ import annotations

import math

import pandas as pd

from lenet.records import PHASES

WARM_UP_STEPS = 10
"""The first steps of a run are left out of rates, or a quarter of a shorter run's."""

_SECONDS = [f"{phase}_seconds" for phase in PHASES]


def typical(steps: pd.DataFrame, train_samples: int, batch: int) -> dict[str, float]:
    """What a step takes behind the warm-up: the means `step_seconds`, `compute_seconds` (data
    counted in) and `communication_seconds`, the shares `data_share`, `compute_share` and
    `communication_share` of all that time, and the median `median_seconds` of a whole step.

    Means, for a straggling step is waited for like any other. Of whole batches alone, if there are
    any: an epoch of `train_samples` may end with a batch shorter than `batch`.
    """
    first, last = steps["step"].min(), steps["step"].max()
    steady = steps[steps["step"] >= first + _warm_up(last - first + 1)]
    an_epoch = math.ceil(train_samples / batch)
    if train_samples % batch:
        whole = steady[steady["step"] % an_epoch != 0]
        steady = whole if len(whole) else steady
    total = steady[_SECONDS].sum(axis=1)
    means = steady[_SECONDS].mean()
    shares = means / means.sum()
    return {
        "step_seconds": float(means.sum()),
        "compute_seconds": float(means["data_seconds"] + means["compute_seconds"]),
        "communication_seconds": float(means["communication_seconds"]),
        "median_seconds": float(total.groupby(steady["rank"]).median().mean()),
        **{f"{phase}_share": float(shares[f"{phase}_seconds"]) for phase in PHASES},
    }


def warm_seconds(steps: pd.DataFrame, until: int) -> float:
    """What the steps up to `until` take, the mean over workers, if none of them warms up: in place
    of each step of the warm-up counts the median of all those behind it.

    NaN if the timings do not begin with the first step, as those of a resumed run.
    """
    each = steps[_SECONDS].sum(axis=1).groupby(steps["step"]).mean()
    if each.index[0] != 1 or each.index[-1] < until:
        return math.nan
    warm_up = _warm_up(len(each))
    each.iloc[:warm_up] = each.iloc[warm_up:].median()
    return float(each.loc[:until].sum())


def _warm_up(steps: int) -> int:
    return min(WARM_UP_STEPS, steps // 4)
