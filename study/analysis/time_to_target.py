"""Time to target, performance profiles and their score, as AlgoPerf defines them.

- t(s, w), the time of an optimizer s on a workload w, is the median over seeds of the time that the
  fastest of its tunings takes to reach the target. A tuning that misses takes infinitely long.
- r(s, w) = t(s, w) / min over optimizers of t(s', w) is its ratio to the fastest.
- rho_s(tau) is the share of workloads with r(s, w) <= tau.
- The score of s is the mean of rho_s over tau from 1 to 4: the integral that the published code
  computes, divided by 3. Here it is exact, because rho is a staircase.

Source: Dahl et al., Benchmarking Neural Network Training Algorithms, 2023, arXiv:2306.07179,
section 4; the profile is from Dolan and More, Benchmarking Optimization Software with Performance
Profiles, Mathematical Programming 91 (2002). A score depends on the competitors: one more optimizer
can change the ratios of all.

AlgoPerf takes its targets from separate runs. Here the target of a workload is a value within 1 %
of the best one: the mean over seeds of the best optimizer's objective at the last record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from search_spaces.objective import maximized
from study.analysis.lr_sensitivity import threshold
from study.analysis.quantity import support_of
from study.analysis.results import Results
from study.analysis.workloads import best_tuning, values_by_seed, workloads

WITHIN_PERCENT = 1.0
LARGEST_RATIO = 4.0
"""The upper end of the ratios that the score averages over."""


@dataclass(frozen=True)
class WorkloadTimes:
    """How long each optimizer takes to the target of one workload."""

    settings: dict[str, object]
    target: float
    """the value of the objective to reach"""
    times: dict[str, float]
    """by optimizer; infinite if the target is missed in half of the seeds or more"""


def times_to_target(results: Results, time: str) -> list[WorkloadTimes]:
    """Return the times of all optimizers at the workloads that all of them trained.

    `time`: the column of the records that is compared, such as `train_seconds` or `epoch`. The
    resolution is the distance between records. Empty if the objective can be negative: the target,
    a percentage of the best, means nothing then.
    """
    objective = results.objective
    names: set[str] = set()
    found: list[WorkloadTimes] = []
    if support_of(objective).low < 0:
        return found
    for workload in workloads(results):
        by_optimizer = {str(name): t for name, t in workload.trials.groupby("optimizer")}
        names |= by_optimizer.keys()
        target = threshold(
            _best_mean(by_optimizer, objective),
            WITHIN_PERCENT,
            is_maximized=maximized(objective),
        )
        times = {
            name: _median_time(results, trials, time, target)
            for name, trials in by_optimizer.items()
        }
        found.append(WorkloadTimes(dict(workload.settings), target, times))
    return [workload for workload in found if workload.times.keys() == names]


def _best_mean(by_optimizer: dict[str, pd.DataFrame], objective: str) -> float:
    means = [
        float(values_by_seed(best_tuning(trials, objective), objective).mean())
        for trials in by_optimizer.values()
    ]
    return max(means) if maximized(objective) else min(means)


def _median_time(results: Results, trials: pd.DataFrame, time: str, target: float) -> float:
    """Return the median over seeds of the time of the fastest trial of a seed."""
    objective = results.objective
    records = results.records[results.records["trial"].isin(trials["trial"])]
    values = records[objective]
    reached = records[values >= target if maximized(objective) else values <= target]
    first = reached.groupby("trial")[time].min()
    by_trial = trials["trial"].map(first).fillna(math.inf)
    return float(np.median(by_trial.groupby(trials["seed"]).min()))


def ratios(times: pd.DataFrame) -> pd.DataFrame:
    """Return the ratios to the fastest: a row per workload, a column per optimizer.

    Infinite where the target was missed. A time of 0 counts as the fastest.
    """
    fastest = times.min(axis=1)
    found = times.div(fastest, axis=0)
    return found.mask(times.eq(fastest, axis=0), 1.0).mask(np.isinf(times), math.inf)


def rho(ratio: pd.DataFrame, tau: float) -> pd.Series:
    """Return the share of workloads within `tau` times the fastest, by optimizer."""
    return (ratio <= tau).mean()


def score(ratio: pd.DataFrame) -> pd.Series:
    """Return the mean of rho over tau from 1 to 4, by optimizer."""
    return ((LARGEST_RATIO - ratio).clip(lower=0) / (LARGEST_RATIO - 1)).mean()
