"""Paired comparisons: the same seeds and points under two settings, such as two optimizers.

The unit of evidence is the seed. All points of a seed share its initial weights and the order of
its samples, so their differences are not independent. The differences of a seed are therefore
averaged over the points first. Their mean over seeds has Student's interval, and `p_seeds` is the
p-value of that paired t-test. This is the test that decides.

Wilcoxon's signed-rank test over all pairs of seed and point is given beside it, because it is the
usual one (Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, Journal of
Machine Learning Research 7, 2006). It ranks the sizes of the differences, and asks how often random
signs give such a sum of positive ranks. It treats the pairs as independent, and announces too many
winners if they are not: `docs/statistics.md` has the rates.

Several comparisons share the 5% error by Holm's rule (A Simple Sequentially Rejective Multiple Test
Procedure, Scandinavian Journal of Statistics 6, 1979).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtr

from study.analysis import statistics
from study.analysis.statistics import CONFIDENCE, MAX_SEEDS

_MAX_EXACT = 50
"""Most pairs for which the signed-rank test is exact; for more, it uses the normal approximation.
`scipy` has the same limit."""
_DIGITS = 12
"""Decimals after which differences are rounding: equal ones must share a rank."""


@dataclass(frozen=True)
class PairedComparison:
    """How far one side is ahead of the other, over the same seeds and points.

    Positive differences favor the first side. `p_seeds` and `p_pairs` are two-sided and not yet
    corrected for several comparisons. All but `mean` and `effect` are NaN for one seed.
    """

    mean: float
    """the mean difference over seeds and points"""
    low: float
    high: float
    """ends of the 95% interval of `mean`, Student's over seeds"""
    seeds: int
    points: int
    p_seeds: float
    """paired t-test over the seeds' mean differences: decides"""
    p_pairs: float
    """Wilcoxon's signed-rank test over all pairs of seed and point"""
    effect: float
    """matched-pairs rank-biserial correlation: the share of the rank sum that favors the first
    side, less the share that favors the second; from -1 to 1"""
    seeds_needed: int | None
    """number of seeds that would make `p_seeds` small enough at this mean and spread; None if a
    thousand would not, or if the spread is unknown"""


def compare(differences: ArrayLike, comparisons: int = 1) -> PairedComparison:
    """Compare two sides by their differences, of shape (seeds, points).

    `comparisons`: how many comparisons share the 5% error on which `seeds_needed` is based.
    Where both sides diverge, the difference is 0. An infinite difference of losses ranks last and
    makes the mean infinite, which decides nothing.
    """
    sample = np.asarray(differences, dtype=float)
    seeds, points = sample.shape
    with np.errstate(invalid="ignore"):  # infinite differences of both signs have no mean
        by_seed = sample.mean(axis=1)
        mean = statistics.mean(by_seed)
    return PairedComparison(
        mean=mean.mean,
        low=mean.low,
        high=mean.high,
        seeds=seeds,
        points=points,
        p_seeds=student_p(by_seed),
        p_pairs=signed_rank_p(sample.ravel()) if seeds > 1 else math.nan,
        effect=rank_biserial(sample.ravel()),
        seeds_needed=seeds_needed(by_seed, 1 - (1 - CONFIDENCE) / comparisons),
    )


def student_p(differences: ArrayLike) -> float:
    """Return the two-sided p-value of the paired t-test; NaN for one difference.

    Equal differences have no spread to judge by. They get the p-value of the sign test, 2 / 2^n,
    because accuracies on a few thousand images can agree by chance. Infinite differences decide
    nothing: their p-value is 1.
    """
    sample = np.asarray(differences, dtype=float)
    if sample.size < 2:
        return math.nan
    if not np.isfinite(sample).all():
        return 1.0
    return _student_p(float(sample.mean()), _spread(sample), sample.size)


def _student_p(mean: float, spread: float, n: int) -> float:
    if round(mean, _DIGITS) == 0:
        return 1.0
    if spread == 0:
        return float(2.0 ** (1 - n))
    return float(2 * stdtr(n - 1, -abs(mean) / spread * math.sqrt(n)))


def _spread(sample: np.ndarray) -> float:
    return float(sample.std(ddof=1)) if round(float(np.ptp(sample)), _DIGITS) else 0.0


def seeds_needed(differences: ArrayLike, confidence: float = CONFIDENCE) -> int | None:
    """Return the fewest seeds whose p-value would decide if mean and spread stayed as they are.

    If the seeds decide already, it is their number. None if `MAX_SEEDS` would not decide, or if the
    spread is unknown. A new sample has another mean and spread: at the returned number of seeds,
    about half of the samples decide.
    """
    sample = np.asarray(differences, dtype=float)
    if sample.size < 2 or not np.isfinite(sample).all():
        return None
    mean, spread = float(sample.mean()), _spread(sample)
    candidates = range(sample.size, MAX_SEEDS + 1)
    found = bisect.bisect_left(
        candidates, True, key=lambda n: _student_p(mean, spread, n) < 1 - confidence
    )
    return candidates[found] if found < len(candidates) else None


def _signed_ranks(differences: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the signs of the differences that are not 0, and their doubled ranks by size."""
    sample = np.round(np.asarray(differences, dtype=float), _DIGITS)
    sample = sample[sample != 0]
    sizes = np.abs(sample)
    above = (sizes[:, None] > sizes).sum(axis=1)
    equal = (sizes[:, None] == sizes).sum(axis=1)
    return np.sign(sample), 2 * above + equal + 1


def signed_rank_p(differences: ArrayLike) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test.

    Differences of 0 are left out, equal sizes share a rank. Exact up to 50 differences, with shared
    ranks too; above, the normal approximation with the variance of the shared ranks.

    Source: Wilcoxon, Individual Comparisons by Ranking Methods, Biometrics Bulletin 1 (1945).
    """
    signs, ranks = _signed_ranks(differences)
    if ranks.size == 0:
        return 1.0
    positive = int(ranks[signs > 0].sum())
    total = int(ranks.sum())
    if ranks.size > _MAX_EXACT:
        deviation = math.sqrt(float((ranks.astype(float) ** 2).sum()) / 4)
        return min(1.0, 2 * float(ndtr(-abs(positive - total / 2) / deviation)))
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in ranks:  # each difference is positive or negative with probability 1/2
        chances[rank:] = (chances[rank:] + chances[: total + 1 - rank]) / 2
        chances[:rank] /= 2
    extreme = max(positive, total - positive)
    return min(1.0, 2 * float(chances[extreme:].sum()))


def rank_biserial(differences: ArrayLike) -> float:
    """Return the matched-pairs rank-biserial correlation, 0 if all differences are 0.

    Source: Kerby, The Simple Difference Formula, Comprehensive Psychology 3 (2014).
    """
    signs, ranks = _signed_ranks(differences)
    return float((signs * ranks).sum() / ranks.sum()) if ranks.size else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number by Holm's rule, in the given order.

    A missing p-value (NaN) stays missing and does not count as a comparison.
    """
    corrected = [math.nan] * len(p_values)
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        corrected[i] = highest
    return corrected
