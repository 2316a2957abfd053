"""Seconds of training steps: from the timings of one trial, a row per worker and step, to what its
steps take once it is warm."""

from __future__ import annotations

import math

import pandas as pd

from lenet.records import PHASES

WARM_UP_STEPS = 10
"""The first steps of a run are left out of rates, or a quarter of a shorter run's; of a run that
was resumed, those of each attempt."""

_SECONDS = [f"{phase}_seconds" for phase in PHASES]


def typical(steps: pd.DataFrame, train_samples: int, batch: int) -> dict[str, float]:
    """What a step takes behind the warm-up: the means `step_seconds`, `compute_seconds` (data
    counted in) and `communication_seconds`, the shares `data_share`, `compute_share` and
    `communication_share` of all that time, and the median `median_seconds` of a whole step.

    Means, for a straggling step is waited for like any other. Of whole batches alone, if there are
    any: an epoch of `train_samples` may end with a batch shorter than `batch`.
    """
    steady = steps[_is_warm(steps)]
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

    NaN if the timings do not begin with the first step.
    """
    each = steps[_SECONDS].sum(axis=1).groupby(steps["step"]).mean()
    if each.index[0] != 1 or each.index[-1] < until:
        return math.nan
    warm = _is_warm(steps).groupby(steps["step"]).all()
    return float(each.where(warm, each[warm].median()).loc[:until].sum())


def _is_warm(steps: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are behind the warm-up. A run that was resumed warms up again: `begun_at` is the
    step that each attempt went on from."""
    taken = steps["step"] - steps["begun_at"]
    warm_up = (taken.groupby(steps["begun_at"]).transform("max") // 4).clip(upper=WARM_UP_STEPS)
    return taken > warm_up
