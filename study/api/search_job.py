"""The job that searches for the best settings with Optuna on Ray Tune, and confirms them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

import search_spaces
from lenet.config import ConfigError, TrainConfig, unknown_name
from lenet.own_part_checks import check_own_parts
from lenet.registry import REGRESSIONS
from search_spaces.space import Dimension, Range, SearchSpace, Space
from search_spaces.study import Study
from study.api.job import TuningJob, open_for_tool, shell_command
from study.api.places import (
    Place,
    data_folder,
    existing_folder,
    location,
    new_place,
    on_cluster,
    reused_places,
)
from study.api.studies import Settings, as_typed, choices, study_name
from study.request import (
    DEFAULT_RESOURCES,
    Request,
    ResourceRequest,
    SearchOptions,
    TuningSession,
)
from study.runs import layout
from study.runs.metadata import SEARCH_TOOL
from study.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from study.cluster.engine import Engine
    from study.tuning.search import Search

SAMPLERS = ("tpe", "gp", "cmaes", "random", "qmc")
OBJECTIVES = (
    "validation_accuracy",
    "validation_loss",
    "train_accuracy",
    "train_loss",
    "train_seconds",
    "samples_per_second",
)
SCHEDULERS = ("none", "asha", "median")
TRIALS = 40
START_POINTS = 5
_DEFINING = ("model", "width", "loss", "optimizer", "schedule")
"""Settings without which the other settings of a point mean something else."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchJob(TuningJob):
    """The job of a search, new or resumed."""

    optuna_storage: str | None = None
    """URL of the database, with its password"""

    @property
    def options(self) -> SearchOptions:
        """The options of the search."""
        options = self.session.options
        assert isinstance(options, SearchOptions)
        return options

    def _make_engine(self, console: Console) -> Engine:
        from study.tuning import databases
        from study.tuning.confirmation import Confirmation, in_proportion
        from study.tuning.search import Search

        session, folder = self.session, self.folder
        request = session.request
        if session.resumed and folder.is_copy:
            with folder.locked():  # fetches the database, unless another process is writing to it
                pass
        options = self.options
        if not session.resumed:
            options = replace(options, study_name=folder.path.name)
        url, options = self._database(options, folder)

        def make_search(dataset: str | None) -> Search:
            study = search_spaces.find(request.study)
            return Search(
                space=study.search_space(request.choices, request.budget, dataset),
                objectives=options.objectives,
                sampler=options.sampler,
                seed=options.sampler_seed,
                trials=options.trials,
                seconds=options.time_limit,
                url=url,
                study_name=options.study_name,
                seeds=request.seeds,
                start_from=options.start_from,
            )

        best, seeds = options.confirm or in_proportion(options.trials)
        return self._tuning_engine(
            console,
            replace(
                session,
                options=options,
                command=databases.hide_passwords(session.command, self.optuna_storage),
            ),
            Confirmation(options.objectives[0], best, seeds, first_seed=request.seeds)
            if best
            else None,
            make_search,
        )

    def _database(self, options: SearchOptions, folder: RunFolder) -> tuple[str, SearchOptions]:
        """Return the database's URL, and the options that keep it without its password.

        If the database should exist already, check it at once.
        """
        from study.tuning import databases

        url, resumed = self.optuna_storage, self.session.resumed
        if url is None and options.storage is not None:
            if options.hides_password:
                raise ConfigError(
                    f"this search uses {options.storage}, whose password is not stored: pass the "
                    "full URL as --optuna-storage"
                )
            url = options.storage
        if url is not None:
            databases.without_password(url)  # raises if this is not a URL
            url = databases.absolute(url)
        options = replace(options, storage=None if url is None else databases.without_password(url))
        in_folder = url is None
        url = url or databases.url_of(folder.path)
        if resumed and not folder.plan:
            return url, options  # killed before its first proposal: maybe no database yet
        if resumed and in_folder and not (folder.path / layout.DATABASE).is_file():
            raise ConfigError(
                f"{folder.path} lacks {layout.DATABASE}, the database of its search: restore it, "
                "or start a new run"
            )
        if resumed or not in_folder:
            databases.check(url, options.study_name, resumed=resumed)
        return url, options


def search(
    study: str | Path | Study = "search",
    *,
    trials: int = TRIALS,
    time_limit: float | None = None,
    budget: str = "quick",
    seeds: int = 1,
    settings: Settings | None = None,
    objectives: str | Sequence[str] | None = None,
    sampler: str = SAMPLERS[0],
    sampler_seed: int = 0,
    scheduler: str = "none",
    start_from: str | Path | None = None,
    confirm: tuple[int, int] | None = None,
    optuna_storage: str | None = None,
    keep_models: str = "best",
    pack: str | int = "auto",
    reuse: str | Path | Sequence[str | Path] = (),
    results: Place | None = None,
    storage: Place | None = None,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
) -> SearchJob:
    """Make the job that searches a study's space, then retrains the best settings.

    Args:
        study: a listed study, `FILE.py`, `package.module:STUDY`, or a `Study`.
        trials: number of settings to try.
        time_limit: seconds after which no new trial begins.
        budget: how long each trial trains: `smoke`, `quick` or `paper`.
        seeds: how often every point is trained, each time with another seed; its objectives are
            means over them.
        settings: what to search over: a list of values, a range as text, such as
            `{"lr": "1e-4..1"}`; a single value is fixed.
        objectives: one, or two for a Pareto front; None: the study's.
        sampler: `tpe`, `gp`, `cmaes`, `random` or `qmc`.
        sampler_seed: seed of the sampler.
        scheduler: `asha` or `median` stop unpromising trials early; `none` trains all to the end.
        start_from: an earlier run whose best points are tried first.
        confirm: (best settings to retrain, fresh seeds for each); (0, 0): none; None: as many as
            suit the number of trials.
        optuna_storage: URL of the Optuna study's database; None: a file in the run's folder.
        keep_models: the trials whose trained models are kept: `best`, `all` or `none`.
        pack: `auto`, `off`, or the maximum number of trials that are trained as one fleet.
        reuse: folders of earlier runs whose trials of equal config are taken over.
        results: the place of this run; None: a new name in `storage`.
        storage: the parent of all runs, a folder or a bucket; None: `results`.
        data_dir: folder of the data sets.
        resources: what the trials run on.

    Raises: ConfigError if the request is not valid, or the place is taken.
    """
    arguments = dict(locals())
    name, chosen = study_name(study), choices(settings)
    _check_choices(chosen)
    if scheduler not in SCHEDULERS:
        raise ConfigError(unknown_name(scheduler, SCHEDULERS, "scheduler"))
    if seeds > 1:
        _check_seeds(search_spaces.find(name), seeds, scheduler)
    request = Request(study=name, budget=budget, seeds=seeds, choices=chosen, scheduler=scheduler)
    options = _options(
        search_spaces.find(name),
        [objectives] if isinstance(objectives, str) else objectives,
        scheduler,
        sampler=sampler,
        sampler_seed=sampler_seed,
        trials=trials,
        time_limit=time_limit,
        confirm=None if confirm is None else tuple(confirm),
        keep_models=keep_models,
        pack=str(pack),
        reuse=reused_places(reuse),
    )
    search_space = search_spaces.find(name).search_space(chosen, budget)
    check_own_parts(search_space.examples())
    _check_objectives(options.objectives, search_space.fixed)
    space = search_space.dimensions
    _check_sampler(sampler, space)
    first: list[dict[str, Any]] = []
    if start_from is not None:
        first = _points(
            existing_folder(start_from, "start_from"), search_space, options.objectives[0]
        )
    options = replace(options, space=tuple(d.to_json() for d in space), start_from=tuple(first))
    return SearchJob(
        optuna_storage=optuna_storage,
        session=TuningSession(
            tool=SEARCH_TOOL,
            request=request,
            options=options,
            resources=on_cluster(resources),
            place=new_place(results, storage, name, budget),
            data_dir=data_folder(data_dir),
            command=shell_command(search, arguments, study=name, settings=as_typed(chosen)),
        ),
    )


def resumed_search(
    place: Place,
    *,
    trials: int | None = None,
    time_limit: float | None = None,
    optuna_storage: str | None = None,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
) -> SearchJob:
    """Make the job that continues the search in `place`, up to `trials` in total.

    Raises: ConfigError if there is no such run, or its search space has changed since.
    """
    where = location(place)
    run = open_for_tool(where, SEARCH_TOOL).run
    request, options = Request.of_run(run), SearchOptions.from_json(run.options)
    search_space = search_spaces.find(request.study).search_space(request.choices, request.budget)
    if tuple(map(Dimension.from_json, options.space)) != search_space.dimensions:
        raise ConfigError(
            f"the space of {request.study} has changed since {place} began: start a new run, or "
            "return to the version that it began with"
        )
    options = replace(
        options,
        trials=options.trials if trials is None else trials,
        time_limit=options.time_limit if time_limit is None else time_limit,
    )
    return SearchJob(
        optuna_storage=optuna_storage,
        session=TuningSession(
            tool=SEARCH_TOOL,
            request=request,
            options=options,
            resources=on_cluster(resources),
            place=where,
            resumed=True,
            data_dir=data_folder(data_dir),
        ),
    )


def _check_choices(chosen: Mapping[str, Sequence[str]]) -> None:
    for name in ("test_at_end", "test_curve"):
        if name in chosen:
            raise ConfigError(f"a search never reads the test set: omit --set {name}")
    if len(chosen.get("dataset", [])) > 1:
        raise ConfigError(
            "accuracies on different data sets do not make one objective: set one dataset"
        )


def _check_seeds(study: Study, seeds: int, scheduler: str) -> None:
    """Raise `ConfigError` if the mean over seeds says nothing, or a scheduler would disturb it."""
    if not study.stochastic:
        raise ConfigError(
            f"nothing in {study.name} is random, so all seeds give the same result: omit --seeds"
        )
    if scheduler != "none":
        raise ConfigError(
            f"--scheduler {scheduler} stops trials one by one, but --seeds {seeds} judges a point "
            "by all its seeds: omit one of them"
        )


def _options(
    study: Study, names: Sequence[str] | None, scheduler: str, *, sampler: str, **more: Any
) -> SearchOptions:
    """Return the options of a new search for the objectives `names`, without its space."""
    known = [*OBJECTIVES, *(f"validation_{metric.name}" for metric in study.metrics)]
    if names is None:
        names = [study.objective if study.objective in known else OBJECTIVES[0]]
    objectives = tuple(_objective(name, known) for name in names)
    if len(set(objectives)) != len(objectives) or len(objectives) > 2:
        raise ConfigError(f"--objectives {','.join(names)}: name one, or two different ones")
    if len(objectives) > 1 and scheduler != "none":
        raise ConfigError(
            f"--scheduler {scheduler} stops trials that do poorly in one objective, even if they "
            "do well in the other: omit it, or search for one objective"
        )
    if sampler not in SAMPLERS:
        raise ConfigError(unknown_name(sampler, SAMPLERS, "sampler"))
    if len(objectives) > 1 and sampler == "cmaes":
        raise ConfigError("--sampler cmaes takes one objective: use tpe, gp, random or qmc for two")
    return SearchOptions(objectives=objectives, sampler=sampler, **more)


def _objective(name: str, known: Sequence[str]) -> str:
    """Return the full name of an objective; `val_` stands for `validation_`."""
    full = name.replace("val_", "validation_", 1) if name.startswith("val_") else name
    if full.startswith("test_"):
        raise ConfigError(f"{full} is reserved for the confirmation: search by validation_accuracy")
    if full not in known:
        raise ConfigError(unknown_name(full, known, "objective"))
    return full


def _check_objectives(objectives: Sequence[str], base: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if an objective would never be measured."""
    for name in objectives:
        if name.endswith("_accuracy") and base.get("dataset") in REGRESSIONS:
            raise ConfigError(
                f"dataset={base['dataset']} has no accuracy: use --objectives train_loss"
            )
        if name.startswith("validation_") and base.get("validation_fraction") == 0:
            raise ConfigError(
                f"{name} does not exist with validation_fraction=0: choose a fraction above 0, or "
                "--objectives train_loss"
            )


def _check_sampler(sampler: str, space: Space) -> None:
    """Raise `ConfigError` if CMA-ES has nothing to adapt: it draws all choices at random."""
    ranges = [d.setting for d in space if isinstance(d.domain, Range) and not d.condition]
    if sampler == "cmaes" and not ranges:
        raise ConfigError(
            "--sampler cmaes adapts ranges of numbers, and this space has none that every trial "
            "has: use --sampler tpe, or give one with --set lr=LOW..HIGH"
        )


def _points(directory: Path, space: SearchSpace, objective: str) -> list[dict[str, Any]]:
    """Return the best points of the run in `directory` that lie in `space`.

    The data set and the length of training may differ: a cheap run may tell a longer one where to
    begin.

    Raises: ConfigError if there is none.
    """
    from study.analysis.results import Results
    from study.analysis.search import best_points

    results = Results.load(directory)
    if objective not in results.trials:
        raise ConfigError(f"{directory} has no {objective} to rank its points by")
    searched = {d.setting for d in space.dimensions}
    defining = {
        name: space.fixed.get(name, getattr(TrainConfig(), name))
        for name in _DEFINING
        if name not in searched
    }
    points: list[dict[str, Any]] = []
    first_outside: list[str] = []
    for settings in best_points(results, objective):
        # The sampler chooses what that run left unset.
        active = [d.setting for d in space.dimensions if d.is_active(settings)]
        point = {name: settings[name] for name in active if settings[name] is not None}
        outside = [
            f"{name} {settings[name]} is not {value}"
            for name, value in defining.items()
            if name in settings and settings[name] != value
        ]
        outside += [
            f"{d.setting} {point[d.setting]} is not in {d.domain}"
            for d in space.dimensions
            if d.setting in point and point[d.setting] not in d.domain
        ]
        first_outside = first_outside or outside
        if not outside and point not in points:
            points.append(point)
        if len(points) == START_POINTS:
            break
    if not points:
        reason = ", ".join(first_outside) or "no trial has a result"
        raise ConfigError(
            f"no point of {directory} lies in the search space ({reason}): change the space with "
            "--set, or omit --start-from"
        )
    return points
