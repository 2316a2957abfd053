"""Trust in the winner of a search: its best settings, trained again with fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass

from lenet.config import TrainConfig
from search_spaces.study import Planned
from study.analysis.results import Results
from study.analysis.search import confirmation_name, ranked, searched
from study.runs.collect import collect
from study.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Confirmation:
    """The `best` settings of a search by its objective, each with `seeds` seeds that the search
    has not seen. The test set is read here, and nowhere before."""

    objective: str
    best: int
    seeds: int

    def plan(self, folder: RunFolder) -> list[Planned]:
        """The trials that the folder's plan lacks, whole repeats first."""
        if not folder.plan:
            return []
        collect(folder)
        trials = ranked(searched(Results.load(folder.path)), self.objective)
        known = {planned.name: planned.config for planned in folder.plan}
        chosen: dict[int, TrainConfig] = {}
        for number, name in zip(trials["number"], trials["trial"], strict=True):
            # A sampler may propose a point twice.
            if len(chosen) < self.best and known[name] not in chosen.values():
                chosen[number] = known[name]
        planned = [
            Planned(
                name=confirmation_name(number, seed),
                config=config.replace(seed=seed, test_at_end=True),
            )
            for seed in range(1, self.seeds + 1)
            for number, config in chosen.items()
        ]
        return [one for one in planned if one.name not in known]

    def adopt(self, folder: RunFolder) -> None:
        """Nothing: seeds are fresh only if nobody has trained them."""
