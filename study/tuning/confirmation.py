"""Confirmation of a search: its best settings, trained again with fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass

from lenet.config import TrainConfig
from search_spaces.study import PlannedTrial
from study.analysis.results import Results
from study.analysis.search import confirmation_name, rank_trials, search_trials
from study.runs.collect import collect
from study.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Confirmation:
    """The `best` settings by `objective`, each with `seeds` seeds the search has not used.

    Only these trials read the test set. Implements `FollowUp`.
    """

    objective: str
    best: int
    seeds: int

    def plan(self, folder: RunFolder) -> list[PlannedTrial]:
        """Return the trials that the folder's plan lacks, all settings of one seed together."""
        if not folder.plan:
            return []
        collect(folder)
        trials = rank_trials(search_trials(Results.load(folder.path)), self.objective)
        planned_configs = {planned.name: planned.config for planned in folder.plan}
        chosen: dict[int, TrainConfig] = {}
        for number, name in zip(trials["number"], trials["trial"], strict=True):
            # A sampler may propose the same point twice.
            if len(chosen) < self.best and planned_configs[name] not in chosen.values():
                chosen[number] = planned_configs[name]
        confirmations = [
            PlannedTrial(
                name=confirmation_name(number, seed),
                config=config.replace(seed=seed, test_at_end=True),
            )
            for seed in range(1, self.seeds + 1)
            for number, config in chosen.items()
        ]
        return [planned for planned in confirmations if planned.name not in planned_configs]

    def adopt(self, folder: RunFolder) -> None:
        """Do nothing: a fresh seed is one that no other run has trained."""
