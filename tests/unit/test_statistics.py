"""Means over seeds: intervals on known numbers, and how often they cover a known mean."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from study.analysis import statistics
from study.analysis.quantity import Quantity
from study.analysis.statistics import NON_NEGATIVE, SHARE, UNBOUNDED, Support
from study.analysis.wording import format_mean

# Student's t, 97.5%, from the printed table (NIST/SEMATECH e-Handbook, 1.3.6.7.2).
T_1, T_2 = 12.706, 4.303


def test_the_interval_of_an_unbounded_quantity_is_student_s() -> None:
    found = statistics.mean([1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    margin = T_2 * 1.0 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((2 - margin, 2 + margin), rel=1e-3)


def test_two_values_have_one_degree_of_freedom() -> None:
    found = statistics.mean([0.0, 2.0])
    assert found.high - found.mean == pytest.approx(T_1 * math.sqrt(2) / math.sqrt(2), rel=1e-3)


def test_the_interval_of_a_share_is_on_the_logit_scale() -> None:
    found = statistics.mean([0.96, 0.97, 0.98], SHARE)
    margin = T_2 * 0.01 / math.sqrt(3) / (0.97 * 0.03)
    assert math.log(found.low / (1 - found.low)) == pytest.approx(
        math.log(0.97 / 0.03) - margin, rel=1e-3
    )
    assert math.log(found.high / (1 - found.high)) == pytest.approx(
        math.log(0.97 / 0.03) + margin, rel=1e-3
    )


def test_the_interval_of_a_loss_is_on_the_log_scale() -> None:
    found = statistics.mean([1.0, 2.0, 3.0], NON_NEGATIVE)
    factor = math.exp(T_2 / math.sqrt(3) / 2)
    assert (found.low, found.high) == pytest.approx((2 / factor, 2 * factor), rel=1e-3)


def test_the_interval_below_an_upper_end_mirrors_the_one_above_a_lower_end() -> None:
    below = statistics.mean([-1.0, 0.5, 0.75], Support(high=1.0))  # such as R²
    above = statistics.mean([2.0, 0.5, 0.25], NON_NEGATIVE)
    assert (below.low, below.high) == pytest.approx((1 - above.high, 1 - above.low))
    assert below.high < 1


@pytest.mark.parametrize(
    "support", [SHARE, NON_NEGATIVE, SHARE.of_differences(), Support(high=1.0)]
)
@pytest.mark.parametrize(
    "values", [[0.5789, 0.9249], [0.0, 1.0], [1.0, 1 - 1e-12], [1e-300, 1.0], [0.98, 0.1, 0.99]]
)
def test_no_interval_leaves_the_possible_values(values: list[float], support: Support) -> None:
    found = statistics.mean(values, support)
    assert support.low <= found.low <= found.mean <= found.high <= support.high


def test_a_narrow_interval_is_student_s_whatever_the_bounds() -> None:
    values = [0.9700, 0.9701, 0.9702]
    unbounded, share = statistics.mean(values), statistics.mean(values, SHARE)
    assert (share.low, share.high) == pytest.approx((unbounded.low, unbounded.high), abs=2e-6)


def test_a_negative_loss_of_the_user_s_has_student_s_interval() -> None:
    values = [-1.0, 0.5, 1.0]
    assert statistics.mean(values, NON_NEGATIVE) == statistics.mean(values)


def test_one_value_has_no_interval() -> None:
    found = statistics.mean([0.5], SHARE)
    assert found.mean == 0.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_values_have_an_interval_of_zero(value: float) -> None:
    assert statistics.mean([value, value], SHARE) == statistics.Mean(value, value, value, 2)


def test_a_missing_value_makes_the_mean_missing() -> None:
    assert math.isnan(statistics.mean([1.0, math.nan], SHARE).mean)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        statistics.mean([])


@pytest.mark.parametrize(
    ("quantity", "support"),
    [
        ("test_accuracy", SHARE),
        ("rises_test_accuracy", NON_NEGATIVE),
        ("best_validation_loss", NON_NEGATIVE),
        ("train_seconds", NON_NEGATIVE),
        ("observed_W", UNBOUNDED),
    ],
)
def test_the_values_that_a_quantity_can_take(quantity: str, support: Support) -> None:
    assert Quantity.parse(quantity).support == support


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.97], "97.00"),
        ([0.9700, 0.9701, 0.9702], "97.01 ± 0.02"),
        ([0.96, 0.97, 0.98], "97.00 [93.23, 98.70]"),
        ([0.5789, 0.9249], "75.19 [0.00, 100.00]"),
    ],
)
def test_a_mean_is_written_with_both_ends_unless_they_are_symmetric(
    values: list[float], text: str
) -> None:
    found = statistics.mean(values, SHARE)
    assert format_mean("test_accuracy", found.mean, found.low, found.high) == text


# Coverage: how often the 95% interval holds the true mean


_SAMPLES = 40_000


def _beta(mean: float, deviation: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    count = mean * (1 - mean) / deviation**2 - 1
    return lambda random, n: random.beta(mean * count, (1 - mean) * count, (_SAMPLES, n))


def _half_at_chance(random: np.random.Generator, n: int) -> np.ndarray:
    """Every other seed learns nothing, as with a learning rate that is slightly too high."""
    learned, chance = _beta(0.97, 0.01)(random, n), _beta(0.1, 0.005)(random, n)
    return np.where(random.random((_SAMPLES, n)) < 0.5, learned, chance)


def _losses(random: np.random.Generator, n: int) -> np.ndarray:
    return random.lognormal(-0.5 * 0.5**2, 0.5, (_SAMPLES, n))


@pytest.mark.parametrize(
    ("draw", "true_mean", "support", "student", "bounded"),
    [
        # Coverage in percent with 2, 3, 5 and 10 seeds: Student's, then within the bounds.
        (_beta(0.99, 0.002), 0.99, SHARE, (95, 95, 95, 95), (95, 95, 95, 95)),
        (_beta(0.99, 0.01), 0.99, SHARE, (91, 88, 88, 90), (95, 94, 93, 93)),
        (_half_at_chance, 0.535, SHARE, (50, 75, 94, 95), (57, 75, 94, 99)),
        (_losses, 1.0, NON_NEGATIVE, (94.0, 92.5, 91.5, 92.5), (95, 94, 94, 93.5)),
    ],
    ids=["alike", "skewed", "half at chance", "losses"],
)
def test_bounded_intervals_cover_at_least_as_often_as_student_s(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    true_mean: float,
    support: Support,
    student: tuple[float, ...],
    bounded: tuple[float, ...],
) -> None:
    random = np.random.default_rng(0)
    for n, unbounded_percent, percent in zip((2, 3, 5, 10), student, bounded, strict=True):
        sample = draw(random, n)
        means, deviations = sample.mean(axis=1), sample.std(axis=1, ddof=1)

        def coverage(support: Support, means=means, deviations=deviations, n=n) -> float:  # type: ignore[no-untyped-def]
            low, high = statistics.interval(means, deviations, n, support)
            return 100 * float(((low <= true_mean) & (true_mean <= high)).mean())

        assert coverage(UNBOUNDED) == pytest.approx(unbounded_percent, abs=1)
        assert coverage(support) == pytest.approx(percent, abs=1)


def test_bands_end_where_the_first_seed_ends() -> None:
    values = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 6.0, np.nan]}, index=[10, 20, 30])
    band = statistics.bands(values)
    assert band.index.tolist() == [10, 20]
    assert band["mean"].tolist() == [2.0, 4.0]
    assert band["low"].tolist() == [1.0, 2.0]
    assert band["high"].tolist() == [3.0, 6.0]


def test_the_band_of_one_seed_is_a_line() -> None:
    band = statistics.bands(pd.DataFrame({"a": [1.0, 2.0]}))
    for column in ("mean", "low", "high"):
        assert band[column].tolist() == [1.0, 2.0]
