"""Means over seeds and how sure they are.

The interval is Student's: mean +- t(0.975, n-1) * s / sqrt(n), with s the standard
deviation of the sample (n-1 in its denominator). Source: Student, The Probable Error of a
Mean, Biometrika 6 (1908); NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2. It takes
the seeds' results as independent and near normal; for accuracies close to 100% its upper end
may lie above 100%, which says that n is small, not that the accuracy is.

One seed says nothing about the spread between seeds: its interval is NaN, never 0.
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
    """A mean over `n` seeds; the interval is mean +- `half_width`, NaN when n is 1."""

    mean: float
    half_width: float
    n: int


def mean(values: Iterable[float], confidence: float = CONFIDENCE) -> Mean:
    """The mean of one value per seed with its interval, of 95% unless said otherwise.

    A value that is missing (NaN) makes the mean missing: a mean over the seeds that
    happened to be measured would be another quantity. Raises `ValueError` on no values.
    """
    sample = np.fromiter(values, dtype=float)
    if sample.size == 0:
        raise ValueError("no values to take the mean of")
    spread = float(sample.std(ddof=1)) if sample.size > 1 else math.nan
    return Mean(
        float(sample.mean()), float(half_width(spread, sample.size, confidence)), sample.size
    )


def half_width(deviation: ArrayLike, n: int, confidence: float = CONFIDENCE) -> np.ndarray:
    """Half of the interval of a mean over `n` values, from their sample standard
    deviation(s); NaN for n = 1."""
    if n < 2:
        return np.full_like(deviation, math.nan, dtype=float)
    quantile = stdtrit(n - 1, (1 + confidence) / 2)  # scipy.stats takes seconds to import
    return np.asarray(quantile * np.asarray(deviation, dtype=float) / math.sqrt(n))


def bands(values: pd.DataFrame) -> pd.DataFrame:
    """The mean curve over seeds, and the lowest and highest seed at each point.

    `values` has a row per step and a column per seed. The result has the columns `mean`,
    `low`, `high` and a row for each step that every seed reached: where a seed has ended,
    the mean of the others is no continuation of the mean of all.

    The range rather than an interval: a Student interval of two or three seeds, pointwise
    along a curve, is wider than the panel and leaves what an accuracy can be. With one seed
    `low` and `high` are the curve.
    """
    whole = values.dropna()
    return pd.DataFrame(
        {"mean": whole.mean(axis=1), "low": whole.min(axis=1), "high": whole.max(axis=1)}
    )
