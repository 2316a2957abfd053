"""Time to target and performance profiles, against the formulas of AlgoPerf's scoring code."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from study.analysis.time_to_target import ratios, rho, score, times_to_target
from tests.unit.made_up_run import EPOCHS, made_up_run

TIMES = pd.DataFrame(
    {
        "fast": [10.0, 20.0, 30.0, math.inf],
        "slow": [15.0, 90.0, 30.0, math.inf],
        "partial": [40.0, 30.0, math.inf, 7.0],
    }
)


def published_score(times: pd.DataFrame, points: int) -> pd.Series:
    """Return the scores by the steps of scoring/performance_profile.py of AlgoPerf's repository.

    Divide by the fastest, count the ratios up to each tau, integrate by trapezoids over tau from 1
    to 4, and divide by the length: `compute_performance_profiles` with `max_tau=4`, then
    `compute_leaderboard_score` with `normalize=True`.
    """
    df = times.T
    df = df.div(df.min(axis=0), axis=1)
    taus = np.linspace(1.0, 4.0, num=points)
    profiles = pd.concat([(df <= tau).sum(axis=1) / df.shape[1] for tau in taus], axis=1)
    return pd.Series(np.trapezoid(profiles, x=taus) / 3, index=profiles.index)


def test_the_score_is_the_integral_of_the_published_code() -> None:
    found = score(ratios(TIMES))
    expected = published_score(TIMES, 3_001)
    assert found.to_dict() == pytest.approx(expected.to_dict(), abs=1e-3)
    # By hand: ratios of `slow` are 1.5, 4.5 and 1, and it misses once.
    assert found["slow"] == pytest.approx((2.5 / 3 + 0 + 1 + 0) / 4)


@pytest.mark.parametrize(("tau", "share"), [(1.0, 0.25), (1.5, 0.5), (4.0, 0.5), (4.5, 0.75)])
def test_rho_is_the_share_of_workloads_within_tau(tau: float, share: float) -> None:
    assert rho(ratios(TIMES), tau)["slow"] == share


def test_a_workload_that_all_miss_counts_for_none() -> None:
    missed = pd.DataFrame({"one": [math.inf, 1.0], "other": [math.inf, 2.0]})
    assert ratios(missed)["one"].tolist() == [math.inf, 1.0]
    assert score(ratios(missed))["one"] == 0.5


def test_a_time_is_the_median_over_seeds_of_the_fastest_tuning() -> None:
    choices = {"lr": ["0.1", "0.01", "0.001"], "batch_size": ["32"]}
    results = made_up_run(seeds=3, choices=choices)
    # Both optimizers end at 0.982, 0.98 and 0.984 with their best rate; 1 % below 0.982:
    target = 0.982 * 0.99
    records = results.records.merge(results.trials[["trial", "optimizer", "seed"]], on="trial")
    reached = records[records["validation_accuracy"] >= target]
    expected = reached.groupby(["optimizer", "seed"])["epoch"].min().groupby("optimizer").median()
    (found,) = times_to_target(results, "epoch")
    assert found.target == pytest.approx(target)
    assert found.times == expected.to_dict()
    assert 1 < found.times["sgd"] <= EPOCHS


def test_a_target_that_half_the_seeds_miss_is_not_reached() -> None:
    choices = {"lr": ["0.1", "0.01"], "batch_size": ["32"]}
    status = {
        f"adam_lr{lr}_batch32_seed{seed}": "diverged" for lr in (0.1, 0.01) for seed in (0, 1)
    }
    (found,) = times_to_target(made_up_run(seeds=3, choices=choices, status=status), "epoch")
    assert found.times["adam"] == math.inf
    assert math.isfinite(found.times["sgd"])
