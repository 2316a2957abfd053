"""Means over seeds and their confidence intervals.

The interval of an unbounded quantity is Student's: mean +- t(0.975, n-1) * s / sqrt(n), where s is
the sample standard deviation (n-1 in its denominator). Source: Student, The Probable Error of a
Mean, Biometrika 6 (1908); NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2. It assumes that
the results of the seeds are independent and nearly normal.

For two seeds with accuracies of 58% and 93%, that would be 75% +- 220%. So the interval of a
bounded quantity is Student's on a scale without bounds, around the transformed mean. The scale is
the logit for an accuracy or a share, the logarithm for a loss or a time. The standard error on it
is the mean's standard error times the slope of the scale (delta method). Transformed back, the
interval always lies within the bounds and holds the mean. If it is narrow, it equals Student's.
Source: Korn and Graubard,
Confidence Intervals for Proportions with Small Expected Number of Positive Counts, Survey
Methodology 24 (1998); `svyciprop(method="logit")` of the R package `survey` is the same rule.

It covers the true mean at least as often as Student's; `tests/unit/test_statistics.py` has the
simulations. No interval of a few seeds is right if a few percent of the seeds fail: most samples
contain no such seed.

One seed gives no estimate of the spread between seeds: its interval is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit, stdtrit

CONFIDENCE = 0.95
MAX_SEEDS = 1_000
"""The largest number of seeds that is named as enough to decide a claim or a comparison."""


@dataclass(frozen=True)
class Support:
    """The range of values that a quantity can take, ends included; either may be infinite."""

    low: float = -math.inf
    high: float = math.inf

    def of_differences(self) -> Support:
        """Return the support of a difference of two such quantities."""
        return Support(self.low - self.high, self.high - self.low)


UNBOUNDED = Support()
NON_NEGATIVE = Support(low=0.0)
SHARE = Support(0.0, 1.0)


@dataclass(frozen=True)
class Mean:
    """A mean over `n` seeds, and its interval from `low` to `high`; both are NaN if n is 1."""

    mean: float
    low: float
    high: float
    n: int


def mean(
    values: Iterable[float], support: Support = UNBOUNDED, confidence: float = CONFIDENCE
) -> Mean:
    """Return the mean of one value per seed, with its interval.

    A missing value (NaN) makes the mean NaN: a mean over only the measured seeds would be a
    different quantity. A value outside `support` makes the interval Student's: a loss that a user
    defined may be negative.

    Raises: ValueError if there are no values.
    """
    sample = np.fromiter(values, dtype=float)
    if sample.size == 0:
        raise ValueError("no values to take the mean of")
    if (sample < support.low).any() or (sample > support.high).any():
        support = UNBOUNDED
    center = float(sample.mean())
    spread = float(sample.std(ddof=1)) if sample.size > 1 else math.nan
    low, high = interval(center, spread, sample.size, support, confidence)
    return Mean(center, float(low), float(high), sample.size)


def interval(
    means: ArrayLike,
    deviations: ArrayLike,
    n: int,
    support: Support = UNBOUNDED,
    confidence: float = CONFIDENCE,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper ends of the intervals of means over `n` values; NaN if n is 1.

    `deviations`: the sample standard deviation of the values of each mean. The means lie within
    `support`.
    """
    center, deviation = np.asarray(means, dtype=float), np.asarray(deviations, dtype=float)
    if n < 2:
        missing = np.full_like(center, math.nan)
        return missing, missing
    quantile = stdtrit(n - 1, (1 + confidence) / 2)  # scipy.stats takes seconds to import
    margin = quantile * deviation / math.sqrt(n)
    if support == UNBOUNDED:
        return center - margin, center + margin
    if support.low == -math.inf:
        low, high = interval(-center, deviation, n, Support(low=-support.high), confidence)
        return -high, -low
    # If the mean is at a bound, all values are equal, because none can lie beyond it.
    with np.errstate(divide="ignore", invalid="ignore"):
        if support.high == math.inf:
            above = center - support.low
            factor = np.exp(margin / above)
            low, high = support.low + above / factor, support.low + above * factor
        else:
            width = support.high - support.low
            share = (center - support.low) / width
            step = margin / width / (share * (1 - share))
            low, high = (
                support.low + width * expit(logit(share) + sign * step) for sign in (-1, 1)
            )
    low, high = np.where(deviation == 0, center, low), np.where(deviation == 0, center, high)
    # Rounding must not exclude the mean: a figure refuses a bar of negative length.
    return np.minimum(low, center), np.maximum(high, center)


def bands(values: pd.DataFrame) -> pd.DataFrame:
    """Return the mean curve over seeds, and the lowest and highest seed at each step.

    `values`: a row per step and a column per seed. The result has the columns `mean`, `low` and
    `high`, and a row for each step that every seed reached. After a seed has ended, the mean of the
    others would not continue the mean of all.

    `low` and `high` are the range of the seeds, not an interval: a pointwise interval of two or
    three seeds would be wider than the panel. With one seed both equal the curve.
    """
    complete = values.dropna()
    return pd.DataFrame(
        {"mean": complete.mean(axis=1), "low": complete.min(axis=1), "high": complete.max(axis=1)}
    )
