"""The trainings that show what the suggestions of a range test are worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import SETTINGS, ConfigError, TrainConfig
from lenet.records import Record
from search_spaces.study import Planned
from study.analysis.results import Results
from study.analysis.verification import cases, learning_rates
from study.runtime.request import Question
from study.runtime.storage import COMPLETE, RunFolder, collect

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
        if self.grid is None:
            return
        bases = [self._base(planned.config) for planned in plan]
        if not any(True for _ in _alike(Results.load(self.grid), bases)):
            raise ConfigError(
                f"no finished trial of {self.grid} is like the verification but for its learning "
                f"rate, with epochs={self.epochs} and all else as in the ramps: give "
                "--verify-epochs and --set as that run has them, or leave --grid out"
            )

    def plan(self, folder: RunFolder) -> list[Planned]:
        """The trainings that the folder's plan lacks. What `grid` has of them is written there."""
        collect(folder.path)
        study = search_spaces.find(self.question.study).narrowed(self.question.choices)
        configs = {planned.name: planned.config for planned in folder.plan}
        results = Results.load(folder.path)
        asked: list[TrainConfig] = []
        bases: list[TrainConfig] = []
        for case in cases(results, self.quantity):
            base = self._base(configs[case.trial])
            bases.append(base)
            asked += [base.replace(lr=lr) for lr in learning_rates(case)]
        if self.grid is not None:
            for config, status, records, facts in _alike(Results.load(self.grid), bases):
                name = study.trial_name(config)
                if name not in configs:
                    folder.trial(name).adopt(status, records, facts)
                    folder.extend([Planned(name=name, config=config)])
                    configs[name] = config
        planned = [
            Planned(name=study.trial_name(config), config=config)
            for seed in range(self.question.seeds)
            for config in (one.replace(seed=seed) for one in asked)
        ]
        return [one for one in planned if one.name not in configs]

    def _base(self, ramp: TrainConfig) -> TrainConfig:
        return ramp.replace(**_CONSTANT, epochs=self.epochs, seed=0)


def _alike(
    results: Results, bases: list[TrainConfig]
) -> Iterator[tuple[TrainConfig, str, list[Record], dict[str, Any]]]:
    """The trials of a run that are complete and like one of `bases` but for the learning rate and
    the seed: config, status, records, and where they were trained."""
    wanted = {base.replace(lr=1.0) for base in bases}
    trials = results.trials[results.trials["status"].isin(COMPLETE - {"stopped"})]
    for row in trials.to_dict("records"):
        settings = {
            name: None if row[name] != row[name] else row[name]
            for name in SETTINGS
            if name in trials
        }
        config = TrainConfig.from_dict(settings)
        if config.replace(lr=1.0, seed=0) not in wanted:
            continue
        records = results.records[results.records["trial"] == row["trial"]]
        fields = [name for name in Record.__dataclass_fields__ if name in records]
        facts = {name: row.get(name) for name in ("device", "threads", "host", "started", "ended")}
        yield (
            config,
            str(row["status"]),
            [Record(**one) for one in records[fields].to_dict("records")],
            facts | {"attempts": 1, "name": row["trial"]},
        )
