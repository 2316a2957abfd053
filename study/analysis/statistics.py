"""Means over seeds and their confidence intervals.

The interval is Student's: mean +- t(0.975, n-1) * s / sqrt(n), where s is the sample standard
deviation (n-1 in its denominator). Source: Student, The Probable Error of a Mean, Biometrika 6
(1908); NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2. It assumes that the results of
the seeds are independent and nearly normal. With few seeds, the upper end for an accuracy close to
100% may exceed 100%.

One seed gives no estimate of the spread between seeds: its interval is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over `n` seeds. Its interval is mean +- `half_width`, which is NaN if n is 1."""

    mean: float
    half_width: float
    n: int


def mean(values: Iterable[float], confidence: float = CONFIDENCE) -> Mean:
    """Return the mean of one value per seed, with its interval.

    A missing value (NaN) makes the mean NaN: a mean over only the measured seeds would be a
    different quantity.

    Raises: ValueError if there are no values.
    """
    sample = np.fromiter(values, dtype=float)
    if sample.size == 0:
        raise ValueError("no values to take the mean of")
    spread = float(sample.std(ddof=1)) if sample.size > 1 else math.nan
    return Mean(
        float(sample.mean()), float(half_width(spread, sample.size, confidence)), sample.size
    )


def half_width(deviation: ArrayLike, n: int, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return half the width of the interval of a mean over `n` values; NaN if n is 1.

    `deviation`: the sample standard deviation of the values, or an array of them.
    """
    if n < 2:
        return np.full_like(deviation, math.nan, dtype=float)
    quantile = stdtrit(n - 1, (1 + confidence) / 2)  # scipy.stats takes seconds to import
    return np.asarray(quantile * np.asarray(deviation, dtype=float) / math.sqrt(n))


def bands(values: pd.DataFrame) -> pd.DataFrame:
    """Return the mean curve over seeds, and the lowest and highest seed at each step.

    `values`: a row per step and a column per seed. The result has the columns `mean`, `low` and
    `high`, and a row for each step that every seed reached. After a seed has ended, the mean of the
    others would not continue the mean of all.

    `low` and `high` are the range of the seeds, not an interval: a pointwise Student interval of
    two or three seeds would be wider than the panel and exceed 100% accuracy. With one seed both
    equal the curve.
    """
    complete = values.dropna()
    return pd.DataFrame(
        {"mean": complete.mean(axis=1), "low": complete.min(axis=1), "high": complete.max(axis=1)}
    )
