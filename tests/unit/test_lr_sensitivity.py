"""How many decades of the learning rate are close to the best, on curves of known width."""

from __future__ import annotations

import math

import pytest

from study.analysis.lr_sensitivity import sensitivities, threshold, width
from tests.unit.made_up_run import made_up_run

RATES = [0.001, 0.01, 0.1, 1.0]


@pytest.mark.parametrize(
    ("values", "percent", "decades", "is_cut"),
    [
        # Within 10 % of 100 is 90: half a decade to each side of the second rate.
        ([80, 100, 80, 60], 10, 1.0, False),
        # 90 itself is within: the whole decade up to it.
        ([80, 100, 90, 0], 10, 0.5 + 1.0, False),
        # The best is the lowest rate: what lies below it is unknown.
        ([100, 80, 60, 40], 10, 0.5, True),
        # A second region of good rates, beyond a gap, does not count.
        ([0, 100, 50, 99], 10, 0.1 + 0.2, False),
        # A rate that diverges with every seed: an accuracy of 0.
        ([100, 100, 100, 0], 10, 2.1, True),
        ([50, 50, 50, 50], 1, 3.0, True),
    ],
)
def test_the_width_of_an_accuracy(
    values: list[float], percent: float, decades: float, is_cut: bool
) -> None:
    found = width(RATES, values, percent, is_maximized=True)
    assert (found.decades, found.is_cut) == (pytest.approx(decades), is_cut)


def test_a_loss_counts_upward_and_ends_at_what_diverges() -> None:
    found = width(RATES, [1.2, 1.0, 1.05, math.inf], 10, is_maximized=False)
    assert (found.decades, found.is_cut) == (pytest.approx(0.5 + 1.0), False)
    all_diverged = width(RATES, [math.inf] * 4, 10, is_maximized=False)
    assert (all_diverged.decades, all_diverged.is_cut) == (0, False)


def test_within_is_relative_to_the_best() -> None:
    assert threshold(0.9, 1, is_maximized=True) == pytest.approx(0.891)
    assert threshold(0.5, 10, is_maximized=False) == pytest.approx(0.55)


def test_each_optimizer_has_a_width_at_each_batch_size() -> None:
    results = made_up_run(seeds=2, choices={"lr": ["0.1", "0.01", "0.001"]})
    found = sensitivities(results, 5)
    assert [(one.optimizer, one.workload["batch_size"]) for one in found] == [
        (name, size) for name in ("adam", "sgd") for size in (32, 64, 128, 256)
    ]
    # The made-up accuracy falls by 0.03 a decade. SGD's best rate is the highest, so all is cut.
    sgd = next(one for one in found if one.optimizer == "sgd")
    assert sgd.width.mean == pytest.approx((0.05 * 0.98 + 0.05 * 0.982) / 2 / 0.03)
    assert (sgd.cut, sgd.width.n, sgd.rates) == (2, 2, (0.001, 0.01, 0.1))


def test_two_rates_have_no_width() -> None:
    assert sensitivities(made_up_run(choices={"lr": ["0.1", "0.01"]}), 5) == []
