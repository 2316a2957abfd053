"""Confirmation of a search: its best settings, trained again with fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass

from lenet.config import TrainConfig
from search_spaces.objective import maximized
from search_spaces.search_names import confirmation_name
from search_spaces.study import PlannedTrial
from study.analysis.results import Results
from study.analysis.search import rank_trials, search_trials
from study.analysis.wording import pluralize
from study.runs.collect import collect
from study.runs.run_folder import RunFolder

_MAX_SETTINGS = 5
_MAX_SEEDS = 5
_FEW_TRIALS, _FEW_SEEDS = 20, 3


def in_proportion(trials: int) -> tuple[int, int]:
    """Return (settings, seeds) for a search of `trials`: at most five confirmations per eight.

    A search of 40 trials or more confirms five settings with five seeds. One of 12 confirms two
    settings with three seeds, and a very small one confirms a single setting with three. Two seeds
    would be too few: their interval says next to nothing.
    """
    seeds = _MAX_SEEDS if trials >= _FEW_TRIALS else _FEW_SEEDS
    return max(1, min(_MAX_SETTINGS, trials * 5 // 8 // seeds)), seeds


def is_near_best(value: float, best: float, objective: str) -> bool:
    """Return True if another seed may make `value` the best.

    An error rate, a loss or a time may be up to twice the best one, a speed down to half of it.
    Error rates may always differ by one percentage point: on few validation samples, the best
    error rate may be 0.
    """
    if objective.endswith("_accuracy"):
        return best - value <= max(1 - best, 0.01) + 1e-9  # accuracies are rounded
    if maximized(objective):
        return value >= best - abs(best) / 2
    return value <= best + abs(best)


@dataclass(frozen=True)
class Confirmation:
    """The `best` settings by `objective`, each with `seeds` seeds the search has not used.

    Settings far from the best one are not confirmed, so there may be fewer (see `is_near_best`).
    Only these trials read the test set. Implements `FollowUp`.
    """

    objective: str
    best: int
    seeds: int
    first_seed: int = 1
    """the first seed that the search has not used"""

    @property
    def at_most(self) -> int:
        return self.best * self.seeds

    @property
    def description(self) -> str:
        seeds = pluralize(self.seeds, "fresh seed")
        if self.best == 1:
            return f"the best setting, {seeds}"
        return f"the best {self.best} settings, {seeds} each"

    def plan(self, folder: RunFolder) -> list[PlannedTrial]:
        """Return the trials that the folder's plan lacks, all settings of one seed together."""
        if not folder.plan:
            return []
        collect(folder)
        trials = rank_trials(search_trials(Results.load(folder.path)), self.objective)
        planned_configs = {planned.name: planned.config for planned in folder.plan}
        values = trials[self.objective].tolist()
        chosen: dict[int, TrainConfig] = {}
        for number, name, value in zip(trials["number"], trials["trial"], values, strict=True):
            if len(chosen) == self.best or not is_near_best(value, values[0], self.objective):
                break
            # A sampler may propose the same point twice.
            if planned_configs[name] not in chosen.values():
                chosen[number] = planned_configs[name]
        confirmations = [
            PlannedTrial(
                name=confirmation_name(number, seed),
                config=config.replace(seed=seed, test_at_end=True),
            )
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for number, config in chosen.items()
        ]
        return [planned for planned in confirmations if planned.name not in planned_configs]

    def adopt(self, folder: RunFolder) -> None:
        """Do nothing: no other run has trained the fresh seeds."""
