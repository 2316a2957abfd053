"""The losses of single training steps, as far as the records of a trial hold them.

A record has the mean, the lowest and the highest loss of the steps since the previous record. So
the raw losses of a long run are known only as a band. Their moving average is known exactly at
every record whose window begins at another record.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenet.config import ConfigError


def steps_between(records: pd.DataFrame) -> pd.Series:
    """Return the number of steps that each record covers, for records of one trial by step."""
    return records["step"].diff().fillna(records["step"])


def moving_average(records: pd.DataFrame, steps: int) -> pd.Series:
    """Return the mean of the losses of the last `steps` steps at each record, fewer at the start.

    It equals the moving average of the raw losses where a record lies `steps` steps earlier. If
    none does, the earlier end of the window is interpolated within its record.

    `records`: the records of one trial in the order of their steps, from its first one on.
    Raises: ConfigError if two records are further apart than `steps`.
    """
    covered = steps_between(records)
    if covered.max() > steps:
        raise ConfigError(
            f"cannot average over {steps:,} steps: the records are {covered.max():,.0f} steps "
            f"apart; set record_every={steps}"
        )
    at = records["step"].to_numpy(dtype=float)
    sums = np.cumsum(records["train_loss"].to_numpy(dtype=float) * covered.to_numpy())
    begin = np.maximum(at - steps, 0)
    before = np.interp(begin, [0, *at], [0, *sums])
    return pd.Series((sums - before) / (at - begin), index=records.index)
