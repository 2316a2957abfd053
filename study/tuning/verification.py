"""Verification of a range test: full trainings around each suggested learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import SETTINGS, ConfigError, TrainConfig
from lenet.records import Record
from search_spaces.study import PlannedTrial
from study.analysis.results import Results
from study.analysis.verification import range_test_cases, verification_lrs
from study.request import Request
from study.runs.collect import collect
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE

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
    grid: Path | None = None

    def check(self, ramps: Sequence[PlannedTrial]) -> None:
        """Raise `ConfigError` if the run in `grid` matches none of the `ramps`."""
        if self.grid is not None and not self._trained([self._base(p.config) for p in ramps]):
            raise ConfigError(
                f"no finished trial of {self.grid} matches the verification, which needs epochs="
                f"{self.epochs} and otherwise the settings of the ramps: pass --verify-epochs and "
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
                folder.trial(planned.name).adopt(match.status, match.records, match.facts)

    def _base(self, ramp: TrainConfig) -> TrainConfig:
        return ramp.replace(**_CONSTANT_RATE, epochs=self.epochs, seed=0)

    def _trained(self, configs: list[TrainConfig]) -> list[_TrainedTrial]:
        """Return the complete trials of `grid` that equal a config but for lr and seed."""
        if self.grid is None:
            return []
        results = Results.load(self.grid)
        wanted = {_without_lr(config) for config in configs if config.schedule == "constant"}
        trials = results.trials[results.trials["status"].isin(COMPLETE - {"stopped"})]
        found = []
        for row in trials[trials["schedule"] == "constant"].to_dict("records"):
            settings = {name: row[name] for name in SETTINGS if name in trials}
            config = TrainConfig.from_dict(
                {name: None if value != value else value for name, value in settings.items()}
            )
            if _without_lr(config) in wanted:
                records = results.records[results.records["trial"] == row["trial"]]
                found.append(_TrainedTrial.of(config, {str(k): v for k, v in row.items()}, records))
        return found


@dataclass(frozen=True)
class _TrainedTrial:
    """A complete trial of another run."""

    config: TrainConfig
    status: str
    records: list[Record]
    facts: dict[str, Any]
    """where and when it was trained"""

    @classmethod
    def of(cls, config: TrainConfig, row: dict[str, Any], records: pd.DataFrame) -> _TrainedTrial:
        fields = [name for name in Record.__dataclass_fields__ if name in records]
        facts = {name: row.get(name) for name in ("device", "threads", "host", "started", "ended")}
        rows = records[fields].to_dict("records")
        return cls(
            config,
            row["status"],
            [Record(**{str(name): value for name, value in row.items()}) for row in rows],
            facts | {"attempts": 1, "name": row["trial"]},
        )


def _without_lr(config: TrainConfig) -> TrainConfig:
    return config.replace(lr=1.0, seed=0)
