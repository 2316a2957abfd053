"""The trainings that show what the suggestions of a range test are worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import SETTINGS, ConfigError, TrainConfig
from lenet.records import Record
from search_spaces.study import Planned
from study.analysis.results import Results
from study.analysis.verification import cases, learning_rates
from study.request import Question
from study.runs.collect import collect
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE

_CONSTANT: dict[str, Any] = {
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
    """After the ramps: a tenth, once and ten times of every suggested learning rate, constant, for
    `epochs`; together with the trials of the run in `grid` that differ from these in nothing but
    the learning rate and the seed, which are not trained again."""

    question: Question
    quantity: str
    """the loss that the ramps are read by"""
    epochs: int
    grid: Path | None = None

    def check(self, plan: list[Planned]) -> None:
        """Raise `ConfigError` if the run in `grid` has nothing to add to the ramps of `plan`."""
        if self.grid is not None and not self._trained([self._base(one.config) for one in plan]):
            raise ConfigError(
                f"no finished trial of {self.grid} is like the verification but for its learning "
                f"rate, with epochs={self.epochs} and all else as in the ramps: give "
                "--verify-epochs and --set as that run has them, or leave --grid out"
            )

    def plan(self, folder: RunFolder) -> list[Planned]:
        """The trainings that the folder's plan lacks, those that `grid` has among them."""
        collect(folder)
        study = self.question.narrowed()
        configs = {planned.name: planned.config for planned in folder.plan}
        bases: list[TrainConfig] = []
        asked: list[TrainConfig] = []
        for case in cases(Results.load(folder.path), self.quantity):
            base = self._base(configs[case.trial])
            bases.append(base)
            asked += [base.replace(lr=lr) for lr in learning_rates(case)]
        wanted = [
            *(one.config for one in self._trained(bases)),
            *(one.replace(seed=seed) for seed in range(self.question.seeds) for one in asked),
        ]
        planned = {study.trial_name(config): config for config in wanted}
        return [
            Planned(name=name, config=config)
            for name, config in planned.items()
            if name not in configs
        ]

    def adopt(self, folder: RunFolder) -> None:
        """Write the trials of the folder's plan that `grid` has trained."""
        unfinished = folder.unfinished()
        trained = {one.config: one for one in self._trained([one.config for one in unfinished])}
        for planned in unfinished:
            if planned.config in trained:
                one = trained[planned.config]
                folder.trial(planned.name).adopt(one.status, one.records, one.facts)

    def _base(self, ramp: TrainConfig) -> TrainConfig:
        return ramp.replace(**_CONSTANT, epochs=self.epochs, seed=0)

    def _trained(self, like: list[TrainConfig]) -> list[_Trained]:
        """The trials of `grid` that are complete and like one of these configs but for the
        learning rate and the seed."""
        if self.grid is None:
            return []
        results = Results.load(self.grid)
        wanted = {_without_lr(config) for config in like if config.schedule == "constant"}
        trials = results.trials[results.trials["status"].isin(COMPLETE - {"stopped"})]
        found = []
        for row in trials[trials["schedule"] == "constant"].to_dict("records"):
            config = TrainConfig.from_dict(
                {
                    name: None if row[name] != row[name] else row[name]
                    for name in SETTINGS
                    if name in trials
                }
            )
            if _without_lr(config) in wanted:
                records = results.records[results.records["trial"] == row["trial"]]
                found.append(_Trained.of(config, {str(k): v for k, v in row.items()}, records))
        return found


@dataclass(frozen=True)
class _Trained:
    """A complete trial of another run."""

    config: TrainConfig
    status: str
    records: list[Record]
    facts: dict[str, Any]
    """where and when it was trained"""

    @classmethod
    def of(cls, config: TrainConfig, row: dict[str, Any], records: pd.DataFrame) -> _Trained:
        fields = [name for name in Record.__dataclass_fields__ if name in records]
        facts = {name: row.get(name) for name in ("device", "threads", "host", "started", "ended")}
        return cls(
            config,
            row["status"],
            [
                Record(**{str(k): v for k, v in one.items()})
                for one in records[fields].to_dict("records")
            ],
            facts | {"attempts": 1, "name": row["trial"]},
        )


def _without_lr(config: TrainConfig) -> TrainConfig:
    return config.replace(lr=1.0, seed=0)
