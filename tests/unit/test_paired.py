"""Paired comparisons, against scipy, statsmodels and scikit-posthocs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scikit_posthocs
from scipy import stats
from statsmodels.stats.multitest import multipletests

from study.analysis import paired

RANDOM = np.random.default_rng(24)


@pytest.mark.parametrize("n", [2, 5, 6, 12, 50])
def test_signed_ranks_are_scipy_s(n: int) -> None:
    differences = RANDOM.standard_normal(n) + 0.3
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert paired.signed_rank_p(differences) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [4, 9, 12])
def test_shared_ranks_are_exact_as_in_scipy_s_permutations(n: int) -> None:
    differences = RANDOM.integers(1, 4, n) * RANDOM.choice([-1, 1], n)
    permutations = stats.PermutationMethod(n_resamples=np.inf)
    expected = stats.wilcoxon(differences, method=permutations).pvalue
    assert paired.signed_rank_p(differences) == pytest.approx(expected, rel=1e-12)
    with_zeros = [*differences, 0, 0]
    assert paired.signed_rank_p(with_zeros) == paired.signed_rank_p(differences)


def test_many_pairs_are_scipy_s_approximation() -> None:
    differences = np.round(RANDOM.standard_normal(300) + 0.1, 1)
    expected = stats.wilcoxon(differences, method="asymptotic", correction=False).pvalue
    assert paired.signed_rank_p(differences) == pytest.approx(expected, rel=1e-9)


def test_accuracies_that_are_equal_but_for_rounding_share_a_rank() -> None:
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit.
    differences = [0.3 - 0.2, 0.1 - 0.2, 0.05]
    assert paired.signed_rank_p(differences) == paired.signed_rank_p([2, -2, 1])


@pytest.mark.parametrize(("comparisons", "pairs"), [(1, 6), (3, 7), (10, 9), (21, 10)])
def test_the_fewest_pairs_that_ranks_can_decide(comparisons: int, pairs: int) -> None:
    """As `docs/statistics.md` has them."""
    decided = [n for n in range(2, 13) if paired.signed_rank_p([1.0] * n) * comparisons < 0.05]
    assert decided[0] == pairs


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_paired_t_test_is_scipy_s(n: int) -> None:
    one, other = RANDOM.standard_normal((2, n))
    expected = stats.ttest_rel(one, other)
    assert paired.student_p(one - other) == pytest.approx(expected.pvalue, rel=1e-9)
    comparison = paired.compare((one - other)[:, None])
    interval = expected.confidence_interval()
    assert (comparison.low, comparison.high) == pytest.approx((interval.low, interval.high))


def test_seeds_are_averaged_over_points_before_they_are_tested() -> None:
    differences = RANDOM.standard_normal((4, 3))
    comparison = paired.compare(differences)
    expected = stats.ttest_1samp(differences.mean(axis=1), 0).pvalue
    assert comparison.p_seeds == pytest.approx(expected)
    assert (comparison.seeds, comparison.points) == (4, 3)


@pytest.mark.parametrize(("seeds", "p"), [(2, 0.5), (3, 0.25), (6, 0.03125)])
def test_equal_differences_are_judged_by_their_signs(seeds: int, p: float) -> None:
    assert paired.student_p([0.002] * seeds) == p


def test_one_seed_and_no_difference_decide_nothing() -> None:
    assert math.isnan(paired.student_p([1.0]))
    assert paired.student_p([0.0, 0.0, 0.0]) == 1
    assert paired.signed_rank_p([0.0, 0.0]) == 1
    assert paired.rank_biserial([0.0]) == 0
    one_seed = paired.compare([[1.0, 2.0]])
    assert (one_seed.mean, one_seed.effect, one_seed.seeds_needed) == (1.5, 1.0, None)
    assert math.isnan(one_seed.p_pairs)


def test_infinite_losses_decide_nothing() -> None:
    comparison = paired.compare([[math.inf], [0.1], [0.2]])
    assert comparison.p_seeds == 1
    assert comparison.seeds_needed is None


def test_the_effect_is_the_difference_of_scipy_s_rank_sums() -> None:
    differences = RANDOM.standard_normal(11) + 0.4
    greater = stats.wilcoxon(differences, alternative="greater").statistic  # the positive rank sum
    total = 11 * 12 / 2
    expected = (greater - (total - greater)) / total
    assert paired.rank_biserial(differences) == pytest.approx(expected)


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03, 0.005], [0.5, 0.5], [0.2], [0.03, 0.02]])
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1]
    assert paired.holm(p_values) == pytest.approx(expected)


def test_a_missing_p_value_is_no_comparison() -> None:
    assert paired.holm([0.03, math.nan, 0.02]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)


def test_pairs_with_correction_are_those_of_scikit_posthocs() -> None:
    groups = RANDOM.standard_normal((4, 15)) + np.array([0.0, 0.1, 0.8, 1.5])[:, None]
    expected = scikit_posthocs.posthoc_wilcoxon(list(groups), p_adjust="holm")
    pairs = list(itertools.combinations(range(4), 2))
    found = paired.holm([paired.signed_rank_p(groups[i] - groups[j]) for i, j in pairs])
    assert found == pytest.approx([expected.loc[i + 1, j + 1] for i, j in pairs])


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_seeds_needed_are_the_fewest_with_such_a_mean_and_spread(confidence: float) -> None:
    differences = [0.1, -0.2, 0.5]
    mean, spread = np.mean(differences), np.std(differences, ddof=1)

    def p(n: int) -> float:
        return float(2 * stats.t.sf(mean / spread * math.sqrt(n), n - 1))

    needed = paired.seeds_needed(differences, confidence)
    assert needed is not None
    assert p(needed) < 1 - confidence <= p(needed - 1)
    assert paired.seeds_needed([1e-6, 1, -1], confidence) is None
