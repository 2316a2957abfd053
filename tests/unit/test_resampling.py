"""Interquartile mean and probability of improvement: rliable's numbers, scipy's functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from study.analysis.resampling import iqm, probability_of_improvement, stratified_bootstrap

RANDOM = np.random.default_rng(7)
# The scores and values of rliable's own test, tests/rliable/metrics_test.py.
RLIABLE_X = np.array([[1.0, 2], [2, 2], [1, 1], [2, 1]])
RLIABLE_Y = np.array([[1.0, 1], [2, 2], [3, 3]])


def test_the_numbers_of_rliable_s_own_test() -> None:
    assert iqm(RLIABLE_X) == 1.5
    assert iqm(RLIABLE_Y) == 2
    assert probability_of_improvement(RLIABLE_X, RLIABLE_Y) == pytest.approx(1 / 3)


def test_the_intervals_are_those_that_rliable_computed() -> None:
    """Tuned Adam and SGD of an earlier run of fan, by rliable 1.2.0 with arch 7.2.0.

    They cannot be installed beside our dependencies: `library.get_interval_estimates` with 20,000
    resamples.
    """
    adam = np.array(
        [
            [0.9912, 0.9892, 0.9880, 0.9886],
            [0.9873, 0.9878, 0.9900, 0.9857],
            [0.9880, 0.9870, 0.9887, 0.9904],
        ]
    )
    sgd = np.array(
        [
            [0.9907, 0.9035, 0.9782, 0.9828],
            [0.9897, 0.9898, 0.9877, 0.9831],
            [0.9885, 0.9876, 0.9844, 0.9847],
        ]
    )
    one, other = stratified_bootstrap(iqm, adam), stratified_bootstrap(iqm, sgd)
    assert (one.value, other.value) == pytest.approx((0.98838333, 0.986))
    assert (one.low, one.high) == pytest.approx((0.98766667, 0.98938333), abs=2e-4)
    assert (other.low, other.high) == pytest.approx((0.9832, 0.98768333), abs=2e-4)
    better = stratified_bootstrap(probability_of_improvement, adam, sgd)
    assert better.value == pytest.approx(0.72222222)
    assert (better.low, better.high) == pytest.approx((0.55555556, 0.91666667), abs=0.03)


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (5, 3), (10, 7)])
def test_the_interquartile_mean_is_scipy_s_trimmed_mean(shape: tuple[int, int]) -> None:
    scores = RANDOM.standard_normal(shape)
    assert iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))


def test_the_probability_of_improvement_is_the_mean_of_scipy_s_u() -> None:
    ours, theirs = RANDOM.integers(0, 5, (6, 3)), RANDOM.integers(0, 5, (4, 3))
    expected = [
        stats.mannwhitneyu(ours[:, i], theirs[:, i], alternative="greater").statistic / 24
        for i in range(3)
    ]
    assert probability_of_improvement(ours, theirs) == pytest.approx(np.mean(expected))


def test_the_interval_of_one_point_is_scipy_s_percentile_bootstrap() -> None:
    scores = RANDOM.standard_normal((20, 1))
    found = stratified_bootstrap(iqm, scores, resamples=20_000)
    expected = stats.bootstrap(
        (scores[:, 0],),
        lambda values, axis: stats.trim_mean(values, 0.25, axis=axis),
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    # The ends of either are known to about 0.01 standard deviations.
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_a_resample_keeps_each_point_to_itself() -> None:
    """Points that differ and seeds that do not: stratified resamples are all alike."""
    scores = np.tile(np.arange(8.0), (5, 1))
    found = stratified_bootstrap(iqm, scores)
    assert found.value == found.low == found.high == 3.5


def test_one_seed_has_no_interval() -> None:
    found = stratified_bootstrap(probability_of_improvement, np.ones((1, 2)), np.zeros((5, 2)))
    assert found.value == 1
    assert math.isnan(found.low)
