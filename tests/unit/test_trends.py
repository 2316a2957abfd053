"""Claims of a trend over the values of a setting, and of a change between two moments."""

import math

import pytest

from lenet.config import ConfigError
from study.claims.verdict import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED
from tests.unit.made_up_evidence import evidence, losses, trials_of_seeds, verdict


def four_rates(*rankings, **options):
    """Judge the trend over four learning rates; each ranking has a seed's accuracies."""
    rates = (0.1, 0.01, 0.001, 0.0001)
    of = evidence(
        *(
            {"lr": lr, "seed": seed, "curve": [accuracy]}
            for seed, ranking in enumerate(rankings)
            for lr, accuracy in zip(rates, ranking, strict=True)
        )
    )
    options = {"where": {}, "setting": "lr", "best_first": rates} | options
    return verdict("trend", of, quantity="validation_accuracy", **options)


def test_a_trend_allows_swapped_neighbors():
    found = four_rates([0.9, 0.8, 0.7, 0.1], [0.9, 0.7, 0.8, 0.1], [0.9, 0.8, 0.7, 0.2])
    assert found.verdict == REPRODUCED
    # Page's L is 30, 29, 30: 1 + 3 * 3 of the 24 ** 3 orders are as good.
    assert found.confidence == pytest.approx(1 - 2 * 10 / 24**3)
    correlation, p = (1 + 0.8 + 1) / 3, 10 / 24**3
    assert found.evidence == (
        f"90.00 %, 76.67 %, 73.33 %, 13.33 % (rank correlation {correlation:+.2f}, p {p:.2g})"
    )


def test_a_trend_in_reverse_is_not_reproduced():
    found = four_rates([0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4])
    assert found.verdict == NOT_REPRODUCED


def test_a_trend_that_chance_may_give_is_undecided():
    found = four_rates([0.9, 0.8, 0.7, 0.1], [0.1, 0.7, 0.8, 0.9], [0.9, 0.7, 0.8, 0.1])
    assert found.verdict == UNDECIDED
    # The mean correlation is (1 - 1 + 0.8) / 3, in random order 0 +- sqrt(1 / 3).
    assert found.seeds_needed == math.ceil((1.96 * math.sqrt(1 / 3) / (0.8 / 3)) ** 2)
    assert found.confidence < 0.95
    assert four_rates([0.9, 0.8, 0.7, 0.1]).verdict == UNDECIDED


def test_equal_values_have_no_trend():
    assert four_rates([0.5] * 4, [0.6] * 4).verdict == NOT_REPRODUCED


@pytest.mark.parametrize(
    ("quantity", "sign", "shown"),
    [
        ("validation_accuracy", 1, "+4.00 points, +2.00 points, -1.00 points"),
        ("validation_loss", -1, "+0.04, +0.02, -0.01"),
    ],
)
def test_a_trend_of_gains(quantity, sign, shown):
    """The gains fall along the rates, though the accuracies rise."""
    gains, without = {0.1: 0.04, 0.01: 0.02, 0.001: -0.01}, {0.1: 0.5, 0.01: 0.6, 0.001: 0.7}
    of = evidence(
        *(
            {"lr": lr, "shuffle": shuffle, "seed": seed, "curve": [{quantity: value}]}
            for seed in range(4)
            for lr, base in without.items()
            for shuffle, value in ((False, base), (True, base + sign * gains[lr]))
        )
    )
    options = {"setting": "lr", "quantity": quantity, "where": {"shuffle": True}}
    options |= {"gain_over": {"shuffle": False}}
    found = verdict("trend", of, best_first=(0.1, 0.01, 0.001), **options)
    assert found.verdict == REPRODUCED
    assert found.evidence.startswith(shown)
    reverse = verdict("trend", of, best_first=(0.001, 0.01, 0.1), **options)
    assert reverse.verdict == NOT_REPRODUCED


def test_one_diverged_trial_decides_no_trend():
    """By slopes, the infinite loss at the end would reproduce both."""
    rates = (0.1, 0.01, 0.001)
    options = {"where": {}, "setting": "lr", "best_first": rates, "quantity": "test_loss"}
    reverse = evidence(
        *losses([3.0], [3.1], [3.0], lr=0.1),
        *losses([2.0], [2.0], [2.0], lr=0.01),
        *losses([1.0], [1.0], lr=0.001),
        {"lr": 0.001, "seed": 2, "status": "diverged", "curve": [{"test_loss": 1.0}]},
    )
    assert verdict("trend", reverse, **options).verdict == UNDECIDED
    # Trials that diverge always are last.
    last = evidence(
        *losses([1.0], [1.1], [1.0], lr=0.1),
        *losses([2.0], [2.0], [2.0], lr=0.01),
        *losses([9.0], [9.0], [9.0], lr=0.001, status="diverged"),
    )
    assert verdict("trend", last, **options).verdict == REPRODUCED


def test_trends_share_the_error_of_refutation():
    """The reverse order at one of two batch sizes: p is 1 / 36 with two seeds, 1 / 216 with 3."""
    rates = (0.1, 0.01, 0.001)

    def at_two_sizes(count):
        return evidence(
            *(
                {"lr": lr, "batch_size": size, "seed": seed, "curve": [accuracy]}
                for size, order in ((32, (0.9, 0.8, 0.7)), (64, (0.7, 0.8, 0.9)))
                for seed in range(count)
                for lr, accuracy in zip(rates, order, strict=True)
            )
        )

    options = {"where": {}, "setting": "lr", "best_first": rates, "per": ("batch_size",)}
    options |= {"quantity": "validation_accuracy"}
    assert verdict("trend", at_two_sizes(2), **options).verdict == UNDECIDED
    found = verdict("trend", at_two_sizes(3), **options)
    assert found.verdict == NOT_REPRODUCED
    assert found.evidence.startswith("against it: batch size 64. batch size 32: 90.00 %")
    averaged = verdict("trend", at_two_sizes(3), **options, averaged=True)
    assert averaged.evidence.startswith("mean over all: 80.00 %")


def test_a_trend_needs_three_values_and_all_of_them():
    with pytest.raises(ConfigError, match="3 values or more, not 2"):
        four_rates([0.9, 0.8, 0.7, 0.1], best_first=(0.1, 0.01))
    found = four_rates([0.9, 0.8, 0.7, 0.1], best_first=(0.1, 0.01, 7.0))
    assert (found.verdict, found.evidence) == (
        NOT_TESTED,
        "no trial of this run has learning rate 7",
    )
    found = four_rates([0.9, 0.8, 0.7, 0.1], at={"epoch": 9})
    assert (found.verdict, found.evidence) == (
        NOT_TESTED,
        "this run has no record of it at that moment",
    )


def test_a_change_between_two_moments():
    of = evidence(*trials_of_seeds([[0.5, 0.9, 0.8], [0.5, 0.9, 0.79], [0.5, 0.91, 0.8]]))
    options = {"where": {}, "quantity": "validation_accuracy"}
    decline = options | {"since": {"epoch": 2}, "below": 0.0}
    found = verdict("changed", of, **decline)
    assert found.verdict == REPRODUCED
    assert found.evidence.startswith("-10.67 points [")
    assert verdict("changed", of, **decline, to={"epoch": 3}) == found
    rise = options | {"since": {"step": 10}, "to": {"step": 20}}
    assert verdict("changed", of, **rise, below=0.0).verdict == NOT_REPRODUCED
    assert verdict("changed", of, **rise, above=0.3).verdict == REPRODUCED
    assert verdict("changed", of, **decline, to={"step": 500}).verdict == NOT_TESTED


def test_a_change_of_trials_that_diverge():
    of = evidence(*losses([1.0, 0.5, 0.4], [1.0, 0.6, 0.4], status="diverged"))
    options = {"where": {}, "quantity": "test_loss", "above": 0.0}
    assert verdict("changed", of, **options, since={"epoch": 1}).verdict == REPRODUCED
    # They had diverged before, so nothing changed.
    found = verdict("changed", of, **options, since={"epoch": 3})
    assert (found.verdict, found.evidence) == (NOT_REPRODUCED, "both diverged")
