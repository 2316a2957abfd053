"""Scores over seeds and points in one number: interquartile mean, probability of improvement.

Both come with stratified bootstrap intervals. Definitions and source: Agarwal, Schwarzer, Castro,
Courville and Bellemare, Deep Reinforcement Learning at the Edge of the Statistical Precipice,
NeurIPS 2021, and its code, rliable. A run there is a seed here, a task is a point.

The interval is the 2.5 and 97.5 percentiles of the statistic over resamples. At each point
separately, a resample draws the same number of seeds, with replacement. With few seeds such
intervals are too narrow: a resample of three seeds has only three values to choose from. So they
are shown, but announce no winner; `docs/statistics.md` has the rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000

Statistic = Callable[..., np.ndarray]
"""Maps scores of shape (..., seeds, points), one array or two, to an array of shape (...)."""


@dataclass(frozen=True)
class Estimate:
    """A statistic of the scores with its bootstrap interval; no interval (NaN) for one seed."""

    value: float
    low: float
    high: float


def iqm(scores: np.ndarray) -> np.ndarray:
    """Return the interquartile mean over seeds and points: the mean without the lowest and the
    highest quarter of the scores.

    `scores`: shape (..., seeds, points). Each quarter is rounded down to whole scores.
    """
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return np.asarray(flat[..., cut : flat.shape[-1] - cut].mean(axis=-1))


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the probability that a score of `ours` exceeds one of `theirs`, averaged over points.

    `ours`, `theirs`: shapes (..., seeds, points); the seeds may differ in number and are not paired
    with each other. Equal scores count half. At each point it is the Mann-Whitney statistic U,
    divided by the number of pairs.
    """
    mine, other = ours[..., :, None, :], theirs[..., None, :, :]
    wins = (mine > other) + 0.5 * (mine == other)
    return np.asarray(wins.mean(axis=(-3, -2, -1)))


def stratified_bootstrap(
    statistic: Statistic, *scores: np.ndarray, resamples: int = RESAMPLES
) -> Estimate:
    """Return a statistic of `scores`, arrays of shape (seeds, points), with its interval.

    The resamples are the same in every call with arrays of these shapes.
    """
    random = np.random.default_rng(0)
    drawn = []
    for sample in scores:
        seeds, points = sample.shape
        chosen = random.integers(seeds, size=(resamples, seeds, points))
        drawn.append(sample[chosen, np.arange(points)])
    value = float(statistic(*scores))
    if min(len(sample) for sample in scores) < 2:
        return Estimate(value, np.nan, np.nan)
    low, high = np.percentile(statistic(*drawn), (2.5, 97.5), method="inverted_cdf")
    return Estimate(value, float(low), float(high))
