"""The expected best of n trials, against all ways to draw them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from study.analysis.best_of_n import best_of_n, expected_best
from tests.unit.made_up_run import made_up_run


@pytest.mark.parametrize("values", [[0.3, 0.9, 0.5, 0.7, 0.1], [1.0, 1.0, 2.0], [5.0]])
def test_it_is_the_mean_over_all_draws(values: list[float]) -> None:
    for is_maximized, best in ((True, max), (False, min)):
        expected = [
            np.mean([best(drawn) for drawn in itertools.combinations(values, n)])
            for n in range(1, len(values) + 1)
        ]
        assert expected_best(values, is_maximized=is_maximized) == pytest.approx(expected)


def test_it_is_unbiased_for_independent_draws() -> None:
    """The expected maximum of n uniform numbers is n / (n + 1)."""
    random = np.random.default_rng(0)
    curves = np.array([expected_best(random.random(6)) for _ in range(20_000)])
    assert curves.mean(axis=0) == pytest.approx([n / (n + 1) for n in range(1, 7)], abs=0.005)


def test_an_infinite_loss_counts_while_it_can_be_the_best() -> None:
    losses = [0.5, math.inf, 0.3, math.inf]
    found = expected_best(losses, is_maximized=False)
    assert found[:2].tolist() == [math.inf, math.inf]
    # Of the four ways to draw three, one has 0.5 as its best.
    assert found[2:] == pytest.approx([0.35, 0.3])


def test_large_grids_stay_exact() -> None:
    found = expected_best(np.arange(1.0, 5001.0))
    # The expected maximum of n of the numbers 1 to N is n (N + 1) / (n + 1).
    n = np.arange(1, 5001)
    assert found == pytest.approx(n * 5001 / (n + 1))


def test_a_grid_has_curves_of_all_points_and_of_each_optimizer() -> None:
    results = made_up_run(seeds=2, status={"sgd_lr0.1_batch32_seed0": "diverged"})
    curves = {curve.optimizer: curve.curves for curve in best_of_n(results)}
    assert {name: found.shape for name, found in curves.items()} == {
        "": (2, 24),
        "adam": (2, 12),
        "sgd": (2, 12),
    }
    adam = results.trials.query("optimizer == 'adam' and seed == 1")["validation_accuracy"]
    assert curves["adam"][1][[0, -1]] == pytest.approx([adam.mean(), adam.max()])
    # The diverged trial, best if it had ended, counts as an accuracy of 0.
    assert curves["sgd"][0][-1] < curves["sgd"][1][-1] - 0.002


@pytest.mark.parametrize(("sampler", "count"), [("random", 1), ("tpe", 0)])
def test_only_a_random_search_has_a_curve(sampler: str, count: int) -> None:
    grid = made_up_run(choices={"optimizer": ["adam"]})
    trials = grid.trials.copy()
    trials["trial"] = [f"{i:04d}_adam" for i in range(len(trials))]
    run = replace(grid.run, tool="study.search", options={"sampler": sampler, "space": []})
    search = replace(grid, run=run, trials=trials)
    found = best_of_n(search)
    assert len(found) == count
    for curve in found:
        assert curve.curves[0, -1] == trials["validation_accuracy"].max()


def test_stopped_trials_have_no_final_result() -> None:
    assert best_of_n(made_up_run(status={"sgd_lr0.1": "stopped"})) == []
