"""The user's requests. Imports neither torch nor Ray, so validation does not wait for them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import search_spaces
from lenet.config import ConfigError, unknown_name
from search_spaces.kept import typed_name
from search_spaces.study import PlannedTrial, Study
from study.runs.metadata import RunMetadata
from study.runs.storage import Location

MAX_SEEDS = 1_000
"""A larger number is taken for a typing error."""
_MAX_SAMPLER_SEED = 4_000_000_000
"""NumPy takes less than 2**32; a resumed search adds the number of its trials to the seed."""
KEPT_MODELS = ("best", "all", "none")
"""values of `Options.keep_models`"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to train a study: at which budget, and with which changes."""

    study: str
    budget: str = "quick"
    seeds: int = 1
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """values from `--set`, by setting"""
    scheduler: str = "none"
    grids: Sequence[str] = ()
    """names of the study's grids to train; empty: all but its extra ones"""

    def __post_init__(self) -> None:
        check_count("seeds", self.seeds, MAX_SEEDS)

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
                f"trials: type python -m study.scaling {typed_name(self.study, study)}"
            )
        if self.seeds > 1 and not study.stochastic:
            raise ConfigError(
                f"nothing in {study.name} is random, so all seeds give the same result: omit "
                "--seeds"
            )
        if study.space:
            raise ConfigError(
                f"{study.name} is a search space without a grid: type python -m study.search "
                f"{typed_name(self.study, study)}"
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
    """The resources to train on. None means the default, or what a resumed run began with."""

    cpus_per_trial: float | None = None
    """also the threads of a trial; one by default"""
    gpus_per_trial: float | None = None
    """may be a fraction, or 0 to train on the CPU; by default, as many trials share a GPU as keep
    GPUs and CPUs busy"""
    max_concurrent: int | None = None
    """limit of trials at once; by default, as many as fit"""
    address: str | None = None
    """of a Ray cluster; None: this machine"""
    autoscale: bool = False
    """trials wait for machines that the cluster does not have yet"""

    def __post_init__(self) -> None:
        for name, least in (("cpus_per_trial", 0.01), ("gpus_per_trial", 0.0)):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and least <= value < math.inf):
                raise ConfigError(f"{name}={value!r} must be a number, {least:g} or more")
        if self.max_concurrent is not None:
            check_count("max_concurrent", self.max_concurrent)


DEFAULT_RESOURCES = ResourceRequest()


@dataclass(frozen=True, kw_only=True)
class HardwareRequest:
    """The machine or scaling run for a comparison of the ways to use the hardware."""

    scaling: str | None = None
    """folder of a scaling run, whose step-time model predicts the speedup of several workers"""
    cores: int | None = None
    """CPU cores of another machine"""
    gpus: int | None = None
    """of another machine"""

    def __post_init__(self) -> None:
        for name in ("cores", "gpus"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))

    @property
    def is_elsewhere(self) -> bool:
        """Whether the comparison is for another machine."""
        return self.cores is not None or self.gpus is not None

    @property
    def option(self) -> str:
        """The command-line option that describes the other machine."""
        return "--gpus" if self.cores is None else "--cores"


DEFAULT_HARDWARE = HardwareRequest()


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of one command that a resumed run must know, as `run.json` holds them."""

    keep_models: str = "best"
    """the trials whose trained models are kept: `best`, `all` or `none`"""
    pack: str = "off"
    """how trials are packed into fleets: `auto`, `off`, or the maximum number of members"""
    reuse: tuple[str, ...] = ()
    """folders that are or contain earlier runs, whose trials are not trained again"""

    def __post_init__(self) -> None:
        if self.keep_models not in KEPT_MODELS:
            raise ConfigError(unknown_name(str(self.keep_models), KEPT_MODELS, "keep_models"))
        text = str(self.pack)
        if text not in ("auto", "off") and not (text.isdecimal() and int(text) >= 2):
            raise ConfigError(f"pack={self.pack!r} must be auto, off or a number, 2 or more")

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. Raises: ConfigError if options are missing or unknown."""
        try:
            return cls(**{name: _as_tuple(value) for name, value in options.items()})
        except TypeError as error:
            raise incomplete_options(error) from error

    def to_json(self) -> dict[str, Any]:
        """Return the options as a JSON document."""
        return dataclasses.asdict(self)

    @property
    def resume_options(self) -> list[str]:
        """Options that have to be typed again with `--resume`."""
        return []


@dataclass(frozen=True, kw_only=True)
class RangeTestOptions(Options):
    """Options of `study.lr_range`."""

    keep_models: str = "none"
    """`none`, because a ramp's final weights are useless"""
    loss: str
    """the loss that the rules read: `train`, `validation` or `test`"""
    verify_epochs: int | None = None
    """epochs of each verifying trial; None: the suggestions are not verified"""
    verify_epochs_chosen: bool = False
    """whether the user chose `verify_epochs`; if not, a smaller data set gets more"""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("trials", self.trials)
        check_count("sampler_seed", self.sampler_seed, _MAX_SAMPLER_SEED, least=0)
        limit = self.time_limit
        if limit is not None and not (_is_number(limit) and 0 < limit < math.inf):
            raise ConfigError(f"time_limit={limit!r} must be a number of seconds above 0")
        if self.confirm is not None and not (
            len(self.confirm) == 2
            and all(isinstance(n, int) and n >= 0 for n in self.confirm)
            and (self.confirm[0] == 0) == (self.confirm[1] == 0)
        ):
            raise ConfigError(
                f"confirm={self.confirm!r} must be (settings, seeds), two numbers of 1 or more, or "
                "(0, 0) for no confirmation"
            )

    @property
    def hides_password(self) -> bool:
        return self.storage is not None and "***" in self.storage

    @property
    def resume_options(self) -> list[str]:
        return ["--optuna-storage", "URL"] if self.hides_password else []


@dataclass(frozen=True, kw_only=True)
class TuningSession:
    """A run on Ray Tune, new or resumed, as the user requested it."""

    tool: str
    """module name of the command"""
    request: Request
    options: Options
    """of the command"""
    resources: ResourceRequest
    place: Location
    """where the run lives or goes"""
    resumed: bool = False
    data_dir: Path | None = None
    """folder of the data sets, as typed"""
    command: Sequence[str] = ()
    """the words of the command that began the session"""
    hardware: HardwareRequest | None = None
    """of a grid: the machine or scaling run for a comparison of hardware; None: no comparison"""


def check_count(name: str, value: object, most: int | None = None, *, least: int = 1) -> None:
    """Raise `ConfigError` unless `value` is a whole number from `least` to `most`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= int(str(value)) <= (most or math.inf):
        limits = f"{least} or more" if most is None else f"from {least} to {most:,}"
        raise ConfigError(f"{name}={value!r} must be a whole number, {limits}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def incomplete_options(error: TypeError) -> ConfigError:
    """Return the error for a `run.json` whose options do not fit its command."""
    return ConfigError(
        f"run.json has options that its command does not take, or lacks some ({error}): restore it "
        "from a copy, or start a new run"
    )


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
