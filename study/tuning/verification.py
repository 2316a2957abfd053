"""Verification of a range test: full trainings around each suggested learning rate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import ConfigError, TrainConfig
from search_spaces.length import as_many_steps
from search_spaces.study import PlannedTrial
from study.analysis.results import Results
from study.analysis.verification import range_test_cases, verification_lrs
from study.request import Request
from study.runs.collect import collect
from study.runs.run_folder import RunFolder
from study.tuning.reuse import EarlierTrial, earlier_trials

_CONSTANT_RATE: dict[str, Any] = {
    "schedule": "constant",
    "final_lr": None,
    "gamma": None,
    "blow_up": None,
    "steps": None,
    "record_every": None,
    "evaluate_at": None,
    "test_curve": False,
}


def constant_rate(
    ramp: TrainConfig, epochs: int, made_for: str, chosen: Collection[str]
) -> TrainConfig:
    """Return the config of `ramp` at its first learning rate, held constant for `epochs`.

    See `search_spaces.length.as_many_steps` for `made_for` and `chosen`.
    """
    settings = ramp.to_dict() | _CONSTANT_RATE | {"epochs": epochs, "seed": 0}
    return TrainConfig.from_dict(as_many_steps(settings, made_for, chosen))


@dataclass(frozen=True)
class Verification:
    """Constant-rate trials at 0.1, 1 and 10 times every suggested learning rate.

    Trials of the run in `grid` that differ from these only in learning rate and seed are adopted
    instead of trained again. Implements `FollowUp`.
    """

    request: Request
    quantity: str
    """the loss that the rules read"""
    epochs: int
    """on the data set that the study was made for, unless the user chose them"""
    epochs_chosen: bool = False
    """the user gave the epochs"""
    grid: Path | None = None

    @property
    def at_most(self) -> None:
        return None

    @property
    def description(self) -> str:
        return "learning rates around each suggestion"

    def check(self, ramps: Sequence[PlannedTrial]) -> None:
        """Raise `ConfigError` if the run in `grid` matches none of the `ramps`."""
        if self.grid is not None and not self._trained([self._base(p.config) for p in ramps]):
            epochs = self._base(ramps[0].config).epochs
            raise ConfigError(
                f"no finished trial of {self.grid} matches the verification, which needs epochs="
                f"{epochs} and otherwise the settings of the ramps: pass --verify-epochs and "
                "--set as that run has them, or omit --grid"
            )

    def plan(self, folder: RunFolder) -> list[PlannedTrial]:
        """Return the trials that the folder's plan lacks, including those `grid` has trained."""
        collect(folder)
        study = self.request.restricted_study()
        planned_configs = {planned.name: planned.config for planned in folder.plan}
        bases: list[TrainConfig] = []
        suggested: list[TrainConfig] = []
        for case in range_test_cases(Results.load(folder.path), self.quantity):
            base = self._base(planned_configs[case.trial])
            bases.append(base)
            suggested += [base.replace(lr=lr) for lr in verification_lrs(case)]
        configs = [trained.config for trained in self._trained(bases)]
        for seed in range(self.request.seeds):
            configs += [config.replace(seed=seed) for config in suggested]
        by_name = {study.trial_name(config): config for config in configs}
        return [
            PlannedTrial(name=name, config=config)
            for name, config in by_name.items()
            if name not in planned_configs
        ]

    def adopt(self, folder: RunFolder) -> None:
        """Write the unfinished trials of the folder's plan that `grid` has trained."""
        unfinished = folder.unfinished()
        trained = {one.config: one for one in self._trained([p.config for p in unfinished])}
        for planned in unfinished:
            if match := trained.get(planned.config):
                match.adopt_into(folder.trial(planned.name))

    def _base(self, ramp: TrainConfig) -> TrainConfig:
        made_for = search_spaces.find(self.request.study).made_for
        # If the user chose a number of samples, the epochs stay the same, as in every study.
        chosen = {"epochs"} if self.epochs_chosen else {"train_samples"} & set(self.request.choices)
        return constant_rate(ramp, self.epochs, made_for, chosen)

    def _trained(self, configs: list[TrainConfig]) -> list[EarlierTrial]:
        """Return the complete trials of `grid` that equal a config except in lr and seed."""
        if self.grid is None:
            return []
        wanted = {_without_lr(config) for config in configs if config.schedule == "constant"}
        return [
            trial
            for trial in earlier_trials(self.grid)
            if trial.config.schedule == "constant" and _without_lr(trial.config) in wanted
        ]


def _without_lr(config: TrainConfig) -> TrainConfig:
    return config.replace(lr=1.0, seed=0)
