"""What the user requested. Imports neither torch nor Ray, so validation does not wait for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import search_spaces
from lenet.config import ConfigError
from search_spaces.study import PlannedTrial, Study
from study.runs.metadata import RunMetadata


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to train: a study, at which budget, with which changes."""

    study: str
    budget: str
    seeds: int
    choices: Mapping[str, Sequence[str]]
    """values from `--set`, by setting"""
    scheduler: str
    grids: Sequence[str] = ()
    """names of the study's grids to train; empty: all but its extra ones"""

    @classmethod
    def of_run(cls, run: RunMetadata) -> Self:
        """Read the request that began a run."""
        return cls(**{field.name: getattr(run, field.name) for field in dataclasses.fields(cls)})

    def restricted_study(self) -> Study:
        """Return the study with the requested grids and values only."""
        return search_spaces.find(self.study).with_grids(self.grids).with_choices(self.choices)

    def plan(self, dataset: str | None = None) -> list[PlannedTrial]:
        """Return the trials, on `dataset` in place of the study's own if given.

        Raises: ConfigError if the study is not a grid of trials, or the request does not fit it.
        """
        study = search_spaces.find(self.study)
        if study.workers:
            raise ConfigError(
                f"{study.name} compares numbers of data-parallel workers, not a grid of "
                f"trials: type python -m study.scaling {study.name}"
            )
        if self.seeds > 1 and not study.stochastic:
            raise ConfigError(
                f"nothing in {study.name} is random, so all seeds give the same result: omit "
                "--seeds"
            )
        if study.space:
            raise ConfigError(
                f"{study.name} is a search space without a grid: type python -m study.search "
                f"{study.name}"
            )
        study = self.restricted_study()
        plan = study.plan(self.budget, self.seeds, dataset)
        if study.objective.startswith("validation") and any(
            not planned.config.validation_fraction for planned in plan
        ):
            raise ConfigError(
                f"{study.name} ranks by {study.objective}, which does not exist with "
                "validation_fraction=0: choose a fraction above 0"
            )
        return plan


@dataclass(frozen=True, kw_only=True)
class ResourceRequest:
    """What to train on. None means the default, or what a resumed run began with."""

    cpus_per_trial: float | None
    gpus_per_trial: float | None
    max_concurrent: int | None
    address: str | None
    """of a Ray cluster; None: this machine"""
    autoscale: bool
    """trials wait for machines that the cluster does not have yet"""


@dataclass(frozen=True, kw_only=True)
class HardwareRequest:
    """What to compare the ways to use the hardware with."""

    scaling: str | None = None
    """folder of a scaling run, whose step-time model tells what several workers are worth"""
    cores: int | None = None
    """CPU cores of another machine"""
    gpus: int | None = None
    """of another machine"""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another machine is asked about."""
        return self.cores is not None or self.gpus is not None


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of one command that a resumed run must know, as `run.json` holds them."""

    keep_models: str = "best"
    """the trials whose trained models are kept: `best`, `all` or `none`"""
    pack: str = "off"
    """how trials are packed into fleets: `auto`, `off`, or the maximum number of members"""
    reuse: tuple[str, ...] = ()
    """folders of earlier runs, or of several, whose trials are not trained again"""

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. Raises: ConfigError if options are missing or unknown."""
        try:
            return cls(**{name: _as_tuple(value) for name, value in options.items()})
        except TypeError as error:
            raise incomplete_options(error) from error

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON can hold them."""
        return dataclasses.asdict(self)

    @property
    def resume_options(self) -> list[str]:
        """Options that have to be typed again with `--resume`."""
        return []


@dataclass(frozen=True, kw_only=True)
class RangeTestOptions(Options):
    """Options of `study.lr_range`."""

    keep_models: str = "none"
    """a ramp's final weights are good for nothing"""
    loss: str
    """the loss that the rules read: `train`, `validation` or `test`"""
    verify_epochs: int | None = None
    """epochs of each verifying trial; None: the suggestions are not verified"""
    verify_epochs_chosen: bool = False
    """whether the user gave them; if not, a smaller data set gets more"""
    grid: str | None = None
    """folder of an earlier run whose trials count as verification"""


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Options):
    """Options of `study.search`."""

    objectives: tuple[str, ...]
    sampler: str
    sampler_seed: int
    trials: int
    """in total, including those of earlier sessions"""
    time_limit: float | None
    """seconds after which no new trial begins; None: no limit"""
    confirm: tuple[int, int] | None
    """(best settings to confirm, seeds for each); (0, 0): no confirmation; None: as many as suit
    the number of trials"""
    start_from: tuple[Mapping[str, Any], ...] = ()
    """points to try first"""
    space: tuple[Mapping[str, Any], ...] = ()
    """the space as JSON, to notice a study that has changed since"""
    study_name: str = ""
    """of the Optuna study in the database"""
    storage: str | None = None
    """URL of the database, password replaced by ***; None: optuna.db in the run's folder"""

    @property
    def hides_password(self) -> bool:
        return self.storage is not None and "***" in self.storage

    @property
    def resume_options(self) -> list[str]:
        return ["--optuna-storage", "URL"] if self.hides_password else []


def incomplete_options(error: TypeError) -> ConfigError:
    """Return the error for a `run.json` whose options do not fit its command."""
    return ConfigError(
        f"run.json has options that its command does not take, or lacks some ({error}): restore it "
        "from a copy, or start a new run"
    )


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
