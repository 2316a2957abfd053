"""What the suggestions of a range test are worth, by training at them and around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis import statistics
from study.analysis.range_test import RAMP, RULES, Suggestion, by_ramp, ramps, suggest, trained_at
from study.analysis.results import Results, select
from study.analysis.statistics import Mean

# What a ramp and the trainings that verify it may differ in.
_NOT_SHARED = {
    *("lr", "schedule", "final_lr", "gamma", "blow_up", "seed"),
    *("epochs", "steps", "record_every", "evaluate_at", "test_curve"),
}


@dataclass(frozen=True)
class Ramp:
    """One ramp over its seeds, with what every rule suggests."""

    name: str
    suggestions: Sequence[Suggestion]


@dataclass(frozen=True)
class Case:
    """What shares an optimizer and all else but the learning rate: its ramps, and the trainings
    at constant learning rates that verify them."""

    settings: dict[str, object]
    """those that vary in the run"""
    trial: str
    """one of its ramps, by the name of the trial"""
    ramps: Sequence[Ramp]
    accuracies: pd.DataFrame
    """final validation accuracy, a row per learning rate and a column per seed; 0 where the
    training diverged; empty without verification"""

    @property
    def best_lr(self) -> float | None:
        """The learning rate with the highest mean accuracy over seeds."""
        if self.accuracies.empty:
            return None
        return float(str(self.accuracies.mean(axis=1).idxmax()))

    def regret(self, lr: float) -> Mean | None:
        """How much lower the accuracy at `lr` is than at the best learning rate, in [0, 1], over
        seeds; None where it was not trained."""
        if lr not in self.accuracies.index or self.best_lr is None:
            return None
        at = list(self.accuracies.index)
        rows = self.accuracies.to_numpy(dtype=float)
        lost = rows[at.index(self.best_lr)] - rows[at.index(lr)]
        paired = lost[np.isfinite(lost)]
        return statistics.mean(paired) if len(paired) else None


def cases(results: Results, quantity: str) -> list[Case]:
    """The cases of a run, in the order of their settings; `quantity` is the loss of the ramps."""
    settings = [name for name in results.varied if name not in _NOT_SHARED]
    if "optimizer" not in settings:
        settings.append("optimizer")
    shown = ramps(results)
    found = []
    for key, trials in shown.groupby(settings, dropna=False):
        each = [
            Ramp(name, [suggest(results, over_seeds, rule, quantity) for rule in RULES])
            for name, over_seeds in by_ramp(trials)
        ]
        named = dict(zip(settings, key, strict=True))
        trial = str(trials["trial"].iloc[0])
        found.append(Case(named, trial, each, _accuracies(results.counted, named)))
    return found


def learning_rates(case: Case) -> list[float]:
    """A tenth, once and ten times of every suggestion, as they are trained."""
    suggested = {
        trained_at(suggestion.lr)
        for ramp in case.ramps
        for suggestion in ramp.suggestions
        if suggestion.lr is not None
    }
    return sorted({trained_at(lr * times) for lr in suggested for times in (0.1, 1, 10)})


def _accuracies(trials: pd.DataFrame, settings: dict[str, object]) -> pd.DataFrame:
    inside = trials[~trials["schedule"].str.startswith(RAMP)]
    inside = select(inside, settings)
    final = inside["validation_accuracy"].where(inside["status"] != "diverged", 0.0)
    return inside.assign(final=final).pivot_table(
        index="lr", columns="seed", values="final", aggfunc="first"
    )
