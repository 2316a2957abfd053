"""A small version of the simulation: the rules that decide rarely announce a false winner."""

from __future__ import annotations

import pytest

from benchmarks import winner_error_rates as simulation

SAMPLES = 100
MARGIN = 8.7
"""Four standard errors of a rate of 5% in so many runs, in percent."""


@pytest.mark.parametrize("luck", simulation.LUCKS)
@pytest.mark.parametrize("rule", simulation.DECIDING)
def test_a_deciding_rule_announces_a_false_winner_in_about_5_percent_at_most(
    rule: str, luck: str
) -> None:
    for seeds in (3, 10):
        assert simulation.rate(rule, "normal", luck, "none", seeds, samples=SAMPLES) <= 5 + MARGIN


def test_ranks_over_pairs_are_fooled_by_the_luck_that_points_share() -> None:
    """Which is why they are shown, and the test over seeds decides."""
    rule = "signed ranks over pairs"
    shared = simulation.rate(rule, "normal", "shared", "none", 10, samples=SAMPLES)
    assert shared > 5 + MARGIN


def test_an_effect_is_found_with_enough_seeds() -> None:
    rule = "paired t-test over seeds (decides)"
    assert simulation.rate(rule, "normal", "separate", "1", 10, samples=SAMPLES) > 90
