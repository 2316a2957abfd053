"""Page's test: do values that are measured in the same seeds follow a given order?

Each seed ranks its values; L is the sum over positions and seeds of the position times the rank.
The test asks how often L would be as large if every seed had its ranks in random order. Only ranks
count, so neither a seed with a huge difference nor an infinite loss decides the test. A diverged
trial ranks last in its seed, and two diverged trials share the last ranks.

Source: Page, Ordered Hypotheses for Multiple Treatments: A Significance Test for Linear Ranks,
Journal of the American Statistical Association 58 (1963). `scipy.stats.page_trend_test` computes
the same probabilities if no ranks are shared. Here they are exact for shared ranks, too: each seed
permutes the ranks that it has.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FEWEST_POSITIONS = 3
"""The fewest values that can have a trend; two values are only a paired comparison."""


@dataclass(frozen=True)
class Trend:
    """How well the seeds follow an order.

    `correlation`: the mean over seeds of Spearman's rank correlation between value and position,
    from -1 (each seed in reverse) to 1 (each seed in order); shared ranks lower it. `p_rising`:
    the probability of an L at least as large if the order were random; `p_falling`: of one at most
    as large. `deviation`: the standard deviation of one seed's correlation in random order.
    """

    correlation: float
    p_rising: float
    p_falling: float
    deviation: float
    seeds: int


def page_trend(values: ArrayLike) -> Trend:
    """Test whether values rise with their position.

    `values`: shape (seeds, positions), at least 3 positions; infinite values are allowed, missing
    ones (NaN) are not.
    """
    sample = np.asarray(values, dtype=float)
    above = sample[:, :, None] > sample[:, None, :]
    equal = sample[:, :, None] == sample[:, None, :]
    # Doubled, shared ranks are whole numbers.
    ranks = (2 * above + equal).sum(axis=2) + 1
    seeds, count = ranks.shape
    positions = np.arange(1, count + 1)
    total = int((ranks * positions).sum())
    chances = functools.reduce(np.convolve, (_chances(tuple(sorted(row))) for row in ranks))
    center = seeds * count * (count + 1) ** 2 / 2
    scale = count * (count**2 - 1) / 6  # L of a seed in order, minus L's mean in random order
    variances = [ranks[i].var() * positions.var() * count**2 / (count - 1) for i in range(seeds)]
    return Trend(
        correlation=(total - center) / scale / seeds,
        p_rising=min(1.0, float(chances[total:].sum())),
        p_falling=min(1.0, float(chances[: total + 1].sum())),
        deviation=math.sqrt(float(np.mean(variances))) / scale,
        seeds=seeds,
    )


@functools.lru_cache(maxsize=256)
def _chances(ranks: Sequence[int]) -> np.ndarray:
    """Return the probability of each sum of position times rank, over all orders of `ranks`."""
    largest = sum(position * rank for position, rank in enumerate(ranks, 1))
    # Keyed by the set of ranks at the first positions: how many orders give each sum.
    orders = {0: np.zeros(largest + 1)}
    orders[0][0] = 1.0
    for position in range(1, len(ranks) + 1):
        longer: dict[int, np.ndarray] = {}
        for used, counts in orders.items():
            for i in range(len(ranks)):
                if not used >> i & 1:
                    step = position * ranks[i]
                    shifted = np.zeros_like(counts)
                    shifted[step:] = counts[: len(counts) - step]
                    both = used | 1 << i
                    longer[both] = longer[both] + shifted if both in longer else shifted
        orders = longer
    (counts,) = orders.values()
    return counts / counts.sum()
