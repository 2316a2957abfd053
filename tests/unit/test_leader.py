"""Whether the best point may be called a winner, and how many seeds would decide."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from study.analysis.leader import lead, leads
from study.analysis.leaderboard import leaderboard
from study.analysis.results import Results
from study.report.comparisons import lead_line
from tests.unit.made_up_run import made_up_run


def points(*values: list[float]) -> list[pd.Series]:
    return [pd.Series(point) for point in values]


def test_a_winner_beats_each_rival_over_the_same_seeds() -> None:
    # Every seed is 0.1 to 0.12 better, though the seeds themselves differ by 10.
    found = lead("mnist", points([10.1, 20.12, 30.11], [10.0, 20.0, 30.0]))
    assert found.is_winner
    assert lead_line(found) == "Clear winner: ahead of the other one at the 95% level"


def test_one_rival_within_the_interval_is_enough_for_no_winner() -> None:
    best, far, near = [1.0, 1.1, 0.9], [0.0, 0.11, -0.12], [0.9, 1.15, 0.8]
    found = lead("mnist", points(best, near, far))
    assert (found.rivals, found.undecided, found.is_winner) == (2, 1, False)
    assert found.seeds_needed == found.runner_up.seeds_needed
    more = found.seeds_needed - 3
    line = f"No clear winner: 1 of 2 others not told apart; {more} more seeds would decide"
    assert lead_line(found) == line


def test_the_seeds_that_decide_all_are_those_of_the_hardest_rival() -> None:
    best, close, closer = [1.0, 1.1, 0.9], [0.9, 1.15, 0.8], [0.98, 1.2, 0.8]
    needed = [lead("mnist", points(best, rival)).seeds_needed for rival in (close, closer)]
    assert lead("mnist", points(best, close, closer)).seeds_needed == max(needed)


def test_equal_points_are_never_told_apart() -> None:
    found = lead("mnist", points([1.0, 2.0], [1.0, 2.0]))
    assert (found.undecided, found.tied, found.seeds_needed) == (1, 1, None)
    assert lead_line(found) == "No clear winner: tied with the other one"
    # Losses far below 1 are no tie.
    assert lead("mnist", points([-1e-9, -2e-9], [-5e-8, -9e-8])).tied == 0
    # 0.1 + 0.7 and 0.6 + 0.2 differ in the last digit.
    found = lead("mnist", points([0.1, 0.7], [0.6, 0.2], [0.0, 0.1]))
    assert lead_line(found) == (
        "No clear winner: tied with 1 of 2 others, and 1 more not told apart"
    )


def test_a_rival_that_diverged_once_is_not_beaten_by_that() -> None:
    found = lead("mnist", points([-0.1, -0.11, -0.1], [-math.inf, -0.09, -0.1]))
    assert not found.is_winner
    assert found.seeds_needed is None


def test_only_shared_seeds_count() -> None:
    best, rival = pd.Series({0: 1.0, 1: 1.1, 2: 1.0}), pd.Series({2: 0.5, 3: 0.4})
    assert not lead("mnist", [best, rival]).is_winner
    nothing_shared = pd.Series({7: 0.1, 8: 0.2})
    assert lead("mnist", [best, nothing_shared]).undecided == 1


def test_one_seed_announces_nothing() -> None:
    results = made_up_run()
    (found,) = leads(results, leaderboard(results))
    assert found.undecided == found.rivals == 23
    expected = "No clear winner: one seed has no interval; it takes 2"
    assert lead_line(found) == expected


@pytest.mark.parametrize(("seeds", "undecided"), [(3, 23), (6, 1)])
def test_a_run_s_points_are_compared_in_the_order_of_the_leaderboard(
    seeds: int, undecided: int
) -> None:
    """Made-up seeds differ alike at all points, so the signs of 6 decide and those of 3 do not.
    The best points of both optimizers are equal."""
    results = made_up_run(seeds=seeds)
    (found,) = leads(results, leaderboard(results))
    assert (found.seeds, found.rivals, found.undecided) == (seeds, 23, undecided)
    assert found.runner_up.mean == 0


def test_stopped_trials_and_data_sets_of_one_point_have_no_lead() -> None:
    stopped = made_up_run(seeds=2, status={"sgd_lr0.1": "stopped"})
    assert leads(stopped, leaderboard(stopped)) == []
    one: Results = made_up_run(2, {"optimizer": ["sgd"], "lr": [0.1], "batch_size": [32]})
    assert leads(one, leaderboard(one)) == []
