"""Durations of training steps, from the timings of one trial: a row per worker and step."""

from __future__ import annotations

import math

import pandas as pd

from lenet.records import PHASES

WARM_UP_STEPS = 10
"""Number of steps that rates exclude at the start of a run and after each resumption. An attempt
with fewer than four times this number excludes a quarter of its steps."""

_SECONDS = [f"{phase}_seconds" for phase in PHASES]


def typical_step(steps: pd.DataFrame, train_samples: int, batch: int) -> dict[str, float]:
    """Return the durations of a step after the warm-up.

    `step_seconds`, `compute_seconds` (including data) and `communication_seconds` are means,
    because workers wait for a slow step as for any other. `median_seconds` is the median of whole
    steps. `data_share`, `compute_share` and `communication_share` are shares of the total time.

    An epoch of `train_samples` may end with a batch smaller than `batch`. Such steps are excluded
    unless there are no others.
    """
    warm = steps[_is_warm(steps)]
    if train_samples % batch:
        steps_per_epoch = math.ceil(train_samples / batch)
        full = warm[warm["step"] % steps_per_epoch != 0]
        warm = full if len(full) else warm
    total = warm[_SECONDS].sum(axis=1)
    means = warm[_SECONDS].mean()
    shares = means / means.sum()
    return {
        "step_seconds": float(means.sum()),
        "compute_seconds": float(means["data_seconds"] + means["compute_seconds"]),
        "communication_seconds": float(means["communication_seconds"]),
        "median_seconds": float(total.groupby(warm["rank"]).median().mean()),
        **{f"{phase}_share": float(shares[f"{phase}_seconds"]) for phase in PHASES},
    }


def warm_seconds(steps: pd.DataFrame, until: int) -> float:
    """Return the duration of the steps up to `until` as if none of them were a warm-up step.

    The median of the later steps replaces each warm-up step. Durations are means over workers. NaN
    if the timings do not start with the first step, as in a resumed run.
    """
    durations = steps[_SECONDS].sum(axis=1).groupby(steps["step"]).mean()
    if durations.index[0] != 1 or durations.index[-1] < until:
        return math.nan
    is_warm = _is_warm(steps).groupby(steps["step"]).all()
    return float(durations.where(is_warm, durations[is_warm].median()).loc[:until].sum())


def _is_warm(steps: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows come after the warm-up of their attempt.

    `begun_at` is the step from which an attempt started or resumed.
    """
    attempt_step = steps["step"] - steps["begun_at"]
    last_step = attempt_step.groupby(steps["begun_at"]).transform("max")
    return attempt_step > (last_step // 4).clip(upper=WARM_UP_STEPS)
