"""Exact binomial intervals, against scipy and statsmodels; the two uncertainties of an accuracy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from study.analysis.image_sampling import uncertainties
from study.analysis.proportion import proportion


@pytest.mark.parametrize(("count", "total"), [(0, 12), (1, 3), (5, 10), (12, 12), (100, 10_000)])
def test_the_interval_is_clopper_and_pearson_s(count: int, total: int) -> None:
    found = proportion(count, total)
    expected = stats.binomtest(count, total).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    by_statsmodels = proportion_confint(count, total, method="beta")
    assert (found.low, found.high) == pytest.approx(by_statsmodels)
    assert found.share == count / total


def test_the_error_of_ten_thousand_images_at_99_percent_is_a_tenth_of_a_point() -> None:
    found = uncertainties([0.99, 0.99], 10_000)
    assert found.images_error == pytest.approx(0.001, rel=0.01)
    assert found.seeds_error == 0


def test_one_seed_leaves_the_images_alone_known() -> None:
    found = uncertainties([0.98], 10_000)
    assert math.isnan(found.seeds_error)
    assert math.isnan(found.both_margin)
    assert found.images_error == pytest.approx(math.sqrt(0.98 * 0.02 / 10_000))


@pytest.mark.parametrize("is_hard_for_all", [True, False])
def test_both_together_bound_the_error_for_new_images(is_hard_for_all: bool) -> None:
    """Test sets are drawn anew: the variance of the mean is at most that of seeds and images."""
    random = np.random.default_rng(3)
    seeds, images, sets = 5, 500, 4_000
    if is_hard_for_all:  # the same images are hard for every seed, and sure to be missed
        hard = random.random((sets, 1, images)) < 0.1
        correct = np.broadcast_to(~hard, (sets, seeds, images))
    else:  # seeds err independently
        correct = random.random((sets, seeds, images)) < 0.9
    means = correct.mean(axis=(1, 2))
    bounds = [
        math.hypot(found.seeds_error, found.images_error)
        for found in (uncertainties(row, images) for row in correct[:200].mean(axis=2).tolist())
    ]
    ratio = means.std() / np.mean(bounds)
    assert ratio <= 1.03
    assert ratio == pytest.approx(1.0 if is_hard_for_all else math.sqrt(1 / 6), abs=0.06)
