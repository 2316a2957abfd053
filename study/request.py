"""What a command was asked for. Neither torch nor Ray, so that it is checked at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import search_spaces
from lenet.config import ConfigError
from search_spaces.study import Planned, Study


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is trained: a study, how much of it, and what was changed in it."""

    study: str
    budget: str
    seeds: int
    choices: Mapping[str, Sequence[str]]
    scheduler: str
    grids: Sequence[str] = ()
    """those of the study's grids that are taken, by name; none: all"""

    @classmethod
    def of_run(cls, run: Mapping[str, Any]) -> Question:
        """What a run was asked for, from its `run.json`."""
        return cls(**{name: run[name] for name in cls.__dataclass_fields__ if name in run})

    def narrowed(self) -> Study:
        """The study as asked for."""
        return search_spaces.find(self.study).taking(self.grids).narrowed(self.choices)

    def plan(self, dataset: str | None = None) -> list[Planned]:
        """The trials, on `dataset` instead of the study's own if it is given."""
        study = search_spaces.find(self.study)
        if study.workers:
            raise ConfigError(
                f"{study.name} compares numbers of data-parallel workers, which a grid of trials "
                f"cannot: type python -m study.scaling {study.name}"
            )
        if self.seeds > 1 and not study.drawn:
            raise ConfigError(
                f"nothing in {study.name} is drawn at random, more seeds would show the same "
                "again: leave --seeds out"
            )
        if study.space:
            raise ConfigError(
                f"{study.name} has a space and no grid: type python -m study.search {study.name}"
            )
        study = self.narrowed()
        plan = study.plan(self.budget, self.seeds, dataset)
        blind = study.objective.startswith("validation") and any(
            not planned.config.validation_fraction for planned in plan
        )
        if blind:
            raise ConfigError(
                f"{study.name} ranks by {study.objective}, which validation_fraction=0 leaves "
                "none of: choose a fraction above 0"
            )
        return plan


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What it runs on, as asked for; None is the default, or as the run began."""

    cpus_per_trial: float | None
    gpus_per_trial: float | None
    max_concurrent: int | None
    address: str | None
    autoscale: bool
    """trials wait for machines that the cluster at `address` does not have yet"""
