"""Workloads: the points at which optimizers are compared, each optimizer tuned at each of them.

Learning rates of different optimizers do not correspond, so optimizers are not compared rate by
rate. The settings that vary split in two. Those that tune an optimizer are its learning rate, its
own hyperparameters and the schedule. All others, such as the batch size, make up the workload. At
each workload an optimizer is represented by its best tuning: the one with the smallest share of
diverged seeds, then with the best mean over seeds of the run's objective. If the run ranks by
validation, the test results of those trials are compared, because the best of several validation
results is too good by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lenet import registry
from search_spaces.objective import maximized
from study.analysis.points import distinguishing_settings
from study.analysis.quantity import Quantity
from study.analysis.range_test import RAMP
from study.analysis.results import Results
from study.analysis.search import is_search
from study.analysis.speedup import is_scaling

TUNING = frozenset(
    {"lr", "schedule"}
    | {name for spec in registry.OPTIMIZERS.values() for name in spec.settings}
    | {name for settings in registry.SCHEDULES.values() for name in settings}
)
"""The settings that tune an optimizer."""


@dataclass(frozen=True)
class Workload:
    """Trials that differ only in the optimizer, its tuning and the seed."""

    settings: dict[str, Any]
    """the settings that tell workloads apart; None where one is unset"""
    trials: pd.DataFrame


def is_compared(results: Results) -> bool:
    """Return True if the run is a grid whose results compare optimizers or tunings.

    A search chooses its trials by earlier results, and all numbers of workers learn the same. A
    trial that a scheduler stopped has no final result.
    """
    trials = grid_trials(results)
    has_results = len(trials) > 0 and not (trials["status"] == "stopped").any()
    return has_results and not (is_search(results) or is_scaling(results))


def grid_trials(results: Results) -> pd.DataFrame:
    """Return the trials with a result that are not ramps of a range test."""
    trials = results.completed
    return trials[~trials["schedule"].astype(str).str.startswith(RAMP)]


def reported_quantity(results: Results) -> str:
    """Return the column that is compared: for a validation objective, its test counterpart."""
    trials = grid_trials(results)
    tested = results.objective.replace("validation_", "test_")
    finished = trials[trials["status"] != "diverged"]
    is_complete = tested in trials and len(finished) and finished[tested].notna().all()
    return tested if is_complete else results.objective


def workloads(results: Results) -> Iterator[Workload]:
    """Yield the workloads of a run, sorted by their settings."""
    trials = grid_trials(results)
    names = [name for name in distinguishing_settings(results) if _splits(name, trials)]
    if not names:
        yield Workload({}, trials)
        return
    for key, group in trials.groupby(names, dropna=False):
        unset_is_none = (None if value != value else value for value in key)
        yield Workload(dict(zip(names, unset_is_none, strict=True)), group)


def _splits(name: str, trials: pd.DataFrame) -> bool:
    return name != "optimizer" and name not in TUNING and trials[name].nunique(dropna=False) > 1


def tunings(trials: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the tunings among the trials of one optimizer, with their trials."""
    names = [name for name in trials if name in TUNING]
    for key, group in trials.groupby(names, dropna=False):
        yield dict(zip(names, key, strict=True)), group


def values_by_seed(trials: pd.DataFrame, quantity: str) -> pd.Series:
    """Return the last value of a quantity by seed; a trial that diverged has the worst one."""
    values = trials.set_index("seed")[quantity].astype(float)
    diverged = (trials["status"] == "diverged").to_numpy()
    return values.mask(diverged, Quantity.parse(quantity).worst)


def best_tuning(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """Return the trials of the best tuning among those of one optimizer at one workload."""
    sign = -1 if maximized(objective) else 1

    def order(group: pd.DataFrame) -> tuple[float, float]:
        diverged = group["status"] == "diverged"
        mean = sign * float(group.loc[~diverged, objective].mean())
        return float(diverged.mean()), mean if mean == mean else math.inf

    return min((group for _, group in tunings(trials)), key=order)


def tuned_scores(results: Results) -> dict[str, pd.DataFrame]:
    """Return the reported results of each tuned optimizer: a row per seed, a column per workload.

    Higher is better: losses have their sign changed. Workloads that lack an optimizer, and seeds
    that lack a result of one of them, are left out, so all frames have the same rows and columns.
    """
    quantity = reported_quantity(results)
    sign = 1 if maximized(quantity) else -1
    optimizers = sorted(grid_trials(results)["optimizer"].unique())
    columns: dict[str, dict[int, pd.Series]] = {name: {} for name in optimizers}
    for number, workload in enumerate(workloads(results)):
        by_optimizer = dict(iter(workload.trials.groupby("optimizer")))
        if by_optimizer.keys() != columns.keys():
            continue
        for name, trials in by_optimizer.items():
            best = best_tuning(trials, results.objective)
            columns[str(name)][number] = sign * values_by_seed(best, quantity)
    frames = {name: pd.DataFrame(found) for name, found in columns.items()}
    seeds = [set(frame.dropna().index) for frame in frames.values()]
    shared = sorted(set.intersection(*seeds)) if seeds else []
    return {name: frame.loc[shared] for name, frame in frames.items()}
