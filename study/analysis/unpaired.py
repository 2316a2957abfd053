"""The difference of two means over seeds that are not paired."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from study.analysis.statistics import CONFIDENCE


@dataclass(frozen=True)
class Difference:
    """The second mean less the first, with its 95% interval and a two-sided p-value.

    Both are NaN if a side has one seed.
    """

    mean: float
    low: float
    high: float
    p: float


def difference(first: ArrayLike, second: ArrayLike) -> Difference:
    """Return how far the mean of `second` lies above the mean of `first`, a value per seed each.

    Interval and p-value are from Welch's test, which does not assume that both sides have the same
    spread (The Generalization of Student's Problem, Biometrika 34, 1947). If neither side has any
    spread, the exact permutation test gives the p-value. An infinite mean decides nothing: p is 1.
    """
    ours, theirs = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    # The difference of two infinite losses counts as 0.
    mean = 0.0 if ours.mean() == theirs.mean() else float(theirs.mean() - ours.mean())
    if min(ours.size, theirs.size) < 2:
        return Difference(mean, math.nan, math.nan, math.nan)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return Difference(mean, math.nan, math.nan, 1.0)
    shares = np.array([side.var(ddof=1) / side.size for side in (ours, theirs)])
    error = math.sqrt(shares.sum())
    if error == 0:
        draws = math.comb(ours.size + theirs.size, ours.size)
        return Difference(mean, mean, mean, min(1.0, 2 / draws) if mean else 1.0)
    sizes = np.array([ours.size, theirs.size])
    freedom = float(shares.sum() ** 2 / (shares**2 / (sizes - 1)).sum())
    margin = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    p = float(2 * stdtr(freedom, -abs(mean) / error))
    return Difference(mean, mean - margin, mean + margin, p)
