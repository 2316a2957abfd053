"""Verification of a range test: trials at and around the suggested learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis import statistics
from study.analysis.range_rules import RULES
from study.analysis.range_test import (
    RAMP,
    Suggestion,
    ramp_trials,
    split_by_ramp,
    suggest,
    verification_lr,
)
from study.analysis.results import Results, select
from study.analysis.statistics import SHARE, Mean

# A ramp and the trials that verify it may differ in these settings.
_NOT_SHARED = {
    "lr",
    "schedule",
    "final_lr",
    "gamma",
    "blow_up",
    "seed",
    "epochs",
    "steps",
    "record_every",
    "evaluate_at",
    "test_curve",
}


@dataclass(frozen=True)
class Ramp:
    """One ramp over its seeds, with the suggestion of every rule."""

    name: str
    suggestions: Sequence[Suggestion]


@dataclass(frozen=True)
class RangeTestCase:
    """The ramps of one optimizer, and the trials at constant learning rates that verify them.

    All of them share every setting except the learning rate and its schedule.
    """

    settings: dict[str, object]
    """the shared settings that vary in the run"""
    trial: str
    """name of the trial of one of the ramps"""
    ramps: Sequence[Ramp]
    accuracies: pd.DataFrame
    """final validation accuracy in [0, 1], a row per learning rate and a column per seed; 0 if the
    trial diverged; empty without verification"""

    @property
    def best_lr(self) -> float | None:
        """The learning rate with the highest mean accuracy over seeds; None if not verified."""
        if self.accuracies.empty:
            return None
        return float(str(self.accuracies.mean(axis=1).idxmax()))

    def regret(self, lr: float) -> Mean | None:
        """Return the accuracy at the best learning rate minus that at `lr`, in [0, 1], over seeds.

        None if `lr` was not trained.
        """
        if lr not in self.accuracies.index or self.best_lr is None:
            return None
        lrs = list(self.accuracies.index)
        rows = self.accuracies.to_numpy(dtype=float)
        differences = rows[lrs.index(self.best_lr)] - rows[lrs.index(lr)]
        paired = differences[np.isfinite(differences)]
        return statistics.mean(paired, SHARE.of_differences()) if len(paired) else None


def range_test_cases(results: Results, quantity: str) -> list[RangeTestCase]:
    """Return the cases of a run, sorted by their settings.

    `quantity`: the loss that the rules read.
    """
    settings = [name for name in results.varied_settings if name not in _NOT_SHARED]
    if "optimizer" not in settings:
        settings.append("optimizer")
    cases = []
    for key, trials in ramp_trials(results).groupby(settings, dropna=False):
        ramps = [
            Ramp(name, [suggest(results, seeds, rule, quantity) for rule in RULES])
            for name, seeds in split_by_ramp(trials)
        ]
        shared = dict(zip(settings, key, strict=True))
        accuracies = _accuracies(results.completed, shared)
        cases.append(RangeTestCase(shared, str(trials["trial"].iloc[0]), ramps, accuracies))
    return cases


def verification_lrs(case: RangeTestCase) -> list[float]:
    """Return the learning rates to train: 0.1, 1 and 10 times every suggestion, rounded."""
    suggested = {
        verification_lr(suggestion.lr)
        for ramp in case.ramps
        for suggestion in ramp.suggestions
        if suggestion.lr is not None
    }
    return sorted({verification_lr(lr * factor) for lr in suggested for factor in (0.1, 1, 10)})


def _accuracies(trials: pd.DataFrame, settings: dict[str, object]) -> pd.DataFrame:
    constant = select(trials[~trials["schedule"].astype(str).str.startswith(RAMP)], settings)
    final = constant["validation_accuracy"].where(constant["status"] != "diverged", 0.0)
    return constant.assign(final=final).pivot_table(
        index="lr", columns="seed", values="final", aggfunc="first"
    )
