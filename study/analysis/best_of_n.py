"""Best of n: the expected best result after n trials drawn at random.

Draw n of N results without replacement. The best of them is the i-th result in ascending order
with probability C(i-1, n-1) / C(N, n). The mean over these ranks is an unbiased estimate of the
expected best of n independent draws (Tang, Wang and Mallows, 2020, arXiv:2004.13705). They follow
Dodge et al. (Show Your Work, EMNLP 2019), whose plug-in estimate draws with replacement and is
biased. The variance grows as n approaches N: at n = N, the estimate is the single best result
(Dodge et al., 2021, arXiv:2110.00613).

The estimate holds for trials drawn at random, not for the trials of a sampler that learns, such as
TPE. For a grid it is exact in another sense: it is the expected best of a random search over the
points of this grid that tries none twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from search_spaces.objective import maximized
from study.analysis.quantity import Quantity
from study.analysis.results import Results
from study.analysis.search import is_search, search_trials
from study.analysis.workloads import grid_trials, is_compared

_RANDOM = "random"
"""The sampler of `study.search` that draws independent trials."""


@dataclass(frozen=True)
class BestOfN:
    """The expected best results of one data set and optimizer."""

    dataset: str
    optimizer: str
    """empty for all optimizers together"""
    curves: np.ndarray
    """shape (seeds, N): for each seed, the expected best of 1 to N trials"""


def expected_best(values: ArrayLike, *, is_maximized: bool = True) -> np.ndarray:
    """Return the expected best of n values drawn without replacement, for n = 1 to N.

    `values`: N numbers, none missing. An infinite value, the loss of a diverged trial, makes the
    expectation infinite for every n of which it can be the best.
    """
    ascending = np.sort(np.asarray(values, dtype=float) * (1 if is_maximized else -1))
    total = ascending.size
    n = np.arange(1, total + 1)
    expected = np.zeros(total)
    weight = n / total  # of the highest value, C(N-1, n-1) / C(N, n)
    for i in range(total, 0, -1):
        used = weight > 0  # 0 times infinity is not 0
        expected[used] += weight[used] * ascending[i - 1]
        if i > 1:
            weight = weight * np.maximum(i - n, 0) / (i - 1)
    return expected if is_maximized else -expected


def best_of_n(results: Results) -> list[BestOfN]:
    """Return the curves of a grid, or of a search by the random sampler, by data set and optimizer.

    The curves are of the objective. There are none if a scheduler stopped trials: their results
    are not final.
    """
    if is_search(results):
        random = results.run.options.get("sampler") == _RANDOM
        trials = search_trials(results) if random else pd.DataFrame()
        if trials.empty or (trials["status"] == "stopped").any():
            return []
        trials = trials.assign(seed=0)  # each trial is an independent draw
    elif is_compared(results):
        trials = grid_trials(results)
    else:
        return []
    objective = results.objective
    worst = Quantity.parse(objective).worst
    diverged = trials["status"] == "diverged"
    trials = trials.assign(value=trials[objective].astype(float).mask(diverged, worst))
    found = []
    for dataset, rows in trials.dropna(subset="value").groupby("dataset"):
        groups = [("", rows)]
        if rows["optimizer"].nunique() > 1:
            groups += [(str(name), group) for name, group in rows.groupby("optimizer")]
        for name, group in groups:
            curves = _curves(group, is_maximized=maximized(objective))
            if curves.shape[1] > 1:
                found.append(BestOfN(str(dataset), name, curves))
    return found


def _curves(trials: pd.DataFrame, *, is_maximized: bool) -> np.ndarray:
    """Return the curves of the seeds that have all points."""
    by_seed = [group["value"].to_numpy() for _, group in trials.groupby("seed")]
    points = max(map(len, by_seed))
    return np.array(
        [
            expected_best(values, is_maximized=is_maximized)
            for values in by_seed
            if len(values) == points
        ]
    )
