"""Search for the best settings with Optuna on Ray Tune, and confirm them with fresh seeds.

    python -m study.search                                LeNet on MNIST, 40 trials by TPE
    python -m study.search --scheduler asha --trials 100 --time-limit 30m
    python -m study.search --set lr=1e-4..1 --set optimizer=adam,sgd --set epochs=10
    python -m study.search --seeds 3                      judge each point by the mean of 3 seeds
    python -m study.search fan --start-from results/GRID  a grid's ranges, its best points first
    python -m study.search --objectives val_accuracy,train_seconds
    python -m study.search --resume results/NAME --trials 200      continue with all trials so far

Optuna's own dashboard shows a search: pip install optuna-dashboard, then
optuna-dashboard sqlite:///results/NAME/optuna.db
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import ConfigError, TrainConfig, unknown_name
from lenet.registry import REGRESSIONS
from search_spaces.space import Dimension, Range, SearchSpace, Space
from study import commandline
from study.request import Request, SearchOptions
from study.runs import layout
from study.runs.metadata import SEARCH_TOOL as TOOL
from study.runs.run_folder import RunFolder

SAMPLERS = ("tpe", "gp", "cmaes", "random", "qmc")
OBJECTIVES = (
    "validation_accuracy",
    "validation_loss",
    "train_accuracy",
    "train_loss",
    "train_seconds",
    "samples_per_second",
)
_TRIALS = 40
_START_POINTS = 5
_DEFINING = ("model", "width", "loss", "optimizer", "schedule")
"""Settings without which the other settings of a point mean something else."""
_UNITS = {"s": 1, "m": 60, "h": 3600}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (trials failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to search")
    what.add_argument(
        "study",
        nargs="?",
        help="a study that `python -m study` lists (default: search, made for this command), or "
        "your own: FILE.py or package.module:STUDY",
    )
    commandline.add_budget(what)
    commandline.add_precision(what)
    what.add_argument(
        "--seeds",
        type=commandline.repeats,
        metavar="N",
        help="train each point with N seeds, and judge it by their mean (1)",
    )
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUES",
        help="search over VALUE,VALUE or LOW..HIGH, or fix VALUE; repeatable",
    )
    what.add_argument(
        "--objectives",
        metavar="NAME[,NAME]",
        help=f"one of {', '.join(OBJECTIVES)} (default: the study's, or the first), or two for a "
        "Pareto front; also validation_NAME for a metric of your own study",
    )
    how = parser.add_argument_group("how to search")
    how.add_argument("--sampler", choices=SAMPLERS, help="Optuna sampler (default: tpe)")
    how.add_argument("--sampler-seed", type=commandline.whole, metavar="N", help="(default: 0)")
    how.add_argument("--trials", type=commandline.count, metavar="N", help=f"in total ({_TRIALS})")
    how.add_argument(
        "--time-limit",
        type=_duration,
        metavar="TIME",
        help="begin no trial after 90 (seconds), 30m or 2h, including waits for machines; "
        "--resume restarts the clock",
    )
    how.add_argument(
        "--scheduler",
        choices=("none", "asha", "median"),
        help="stops unpromising trials early (default: none)",
    )
    how.add_argument(
        "--start-from",
        type=commandline.existing_folder,
        metavar="DIR",
        help=f"try the {_START_POINTS} best points of an earlier run first",
    )
    how.add_argument(
        "--confirm",
        type=_repeats,
        metavar="KxN",
        help="retrain the best K settings with N fresh seeds; 0x0: skip (default: up to five for "
        "eight trials, 5x5 from 40 trials on)",
    )
    how.add_argument(
        "--optuna-storage",
        metavar="URL",
        help="database of the Optuna study, such as postgresql+psycopg://USER@HOST/DATABASE "
        "(default: optuna.db in the run's folder)",
    )
    commandline.add_reuse(how)
    commandline.add_places(parser, keep_models=True)
    commandline.add_resources(parser)
    return parser


def _train(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(
        options,
        "study",
        "--budget",
        "--precision",
        "--seeds",
        "--set",
        "--objectives",
        "--sampler",
        "--sampler-seed",
        "--scheduler",
        "--start-from",
        "--confirm",
        "--keep-models",
        "--pack",
        "--reuse",
    )
    request, search_options = _resumed(options) if options.resume else _new(options)
    resources = commandline.resource_request(options)
    place = options.resume or commandline.new_place(options, request.study, request.budget)
    with commandline.loading(request.study):
        from study.pipeline import tune
        from study.tuning import databases
        from study.tuning.confirmation import Confirmation, in_proportion
        from study.tuning.search import Search

    folder = RunFolder(place)
    if options.resume and folder.is_copy:
        with folder.locked():  # fetches the database, unless another process is writing to it
            pass
    if not options.resume:
        search_options = replace(search_options, study_name=folder.path.name)
    url, search_options = _database(options, search_options, folder)

    def make_search(dataset: str | None) -> Search:
        study = search_spaces.find(request.study)
        return Search(
            space=study.search_space(request.choices, request.budget, dataset),
            objectives=search_options.objectives,
            sampler=search_options.sampler,
            seed=search_options.sampler_seed,
            trials=search_options.trials,
            seconds=search_options.time_limit,
            url=url,
            study_name=search_options.study_name,
            seeds=request.seeds,
            start_from=search_options.start_from,
        )

    best, seeds = search_options.confirm or in_proportion(search_options.trials)
    return tune(
        options,
        databases.hide_passwords(typed, options.optuna_storage),
        tool=TOOL,
        request=request,
        resources=resources,
        command_options=search_options,
        place=place,
        follow_up=Confirmation(search_options.objectives[0], best, seeds, first_seed=request.seeds)
        if best
        else None,
        make_search=make_search,
    )


def _resumed(options: argparse.Namespace) -> tuple[Request, SearchOptions]:
    """Read what began the run. Raises: ConfigError if its search space has changed since."""
    folder = RunFolder.open(options.resume)
    folder.check_tool(TOOL)
    request = Request.of_run(folder.run)
    search_options = SearchOptions.from_json(folder.run.options)
    search_space = search_spaces.find(request.study).search_space(request.choices, request.budget)
    if tuple(map(Dimension.from_json, search_options.space)) != search_space.dimensions:
        raise ConfigError(
            f"the space of {request.study} has changed since {options.resume} began: start a new "
            "run, or return to the version that it began with"
        )
    return request, replace(
        search_options,
        trials=options.trials or search_options.trials,
        time_limit=options.time_limit or search_options.time_limit,
    )


def _new(options: argparse.Namespace) -> tuple[Request, SearchOptions]:
    """Validate a new search before torch, which takes seconds to import."""
    request, search_options = _request(options), _search_options(options)
    search_space = search_spaces.find(request.study).search_space(request.choices, request.budget)
    _check_objectives(search_options.objectives, search_space.fixed)
    space = search_space.dimensions
    _check_sampler(search_options.sampler, space)
    start_from: list[dict[str, Any]] = []
    if options.start_from:
        start_from = _points(options.start_from, search_space, search_options.objectives[0])
    return request, replace(
        search_options, space=tuple(d.to_json() for d in space), start_from=tuple(start_from)
    )


def _request(options: argparse.Namespace) -> Request:
    choices = commandline.choices(options)
    for name in ("test_at_end", "test_curve"):
        if name in choices:
            raise ConfigError(f"a search never reads the test set: omit --set {name}")
    if len(choices.get("dataset", [])) > 1:
        raise ConfigError(
            "accuracies on different data sets do not make one objective: set one dataset"
        )
    name, seeds = commandline.study_name(options.study, "search"), options.seeds or 1
    if seeds > 1 and not search_spaces.find(name).stochastic:
        raise ConfigError(
            f"nothing in {name} is random, so all seeds give the same result: omit --seeds"
        )
    scheduler = options.scheduler or "none"
    if seeds > 1 and scheduler != "none":
        raise ConfigError(
            f"--scheduler {scheduler} stops trials one by one, but --seeds {seeds} judges a point "
            "by all its seeds: omit one of them"
        )
    return Request(
        study=name,
        budget=options.budget or "quick",
        seeds=seeds,
        choices=choices,
        scheduler=scheduler,
    )


def _search_options(options: argparse.Namespace) -> SearchOptions:
    study = search_spaces.find(commandline.study_name(options.study, "search"))
    known = [*OBJECTIVES, *(f"validation_{metric.name}" for metric in study.metrics)]
    default = study.objective if study.objective in known else OBJECTIVES[0]
    names = default if options.objectives is None else options.objectives
    objectives = tuple(_objective(name.strip(), known) for name in names.split(","))
    if len(set(objectives)) != len(objectives) or len(objectives) > 2:
        raise ConfigError(f"--objectives {options.objectives}: name one, or two different ones")
    if len(objectives) > 1 and (options.scheduler or "none") != "none":
        raise ConfigError(
            f"--scheduler {options.scheduler} stops trials that do poorly in one objective, even "
            "if they do well in the other: omit it, or search for one objective"
        )
    if len(objectives) > 1 and options.sampler == "cmaes":
        raise ConfigError("--sampler cmaes takes one objective: use tpe, gp, random or qmc for two")
    return SearchOptions(
        objectives=objectives,
        sampler=options.sampler or SAMPLERS[0],
        sampler_seed=options.sampler_seed or 0,
        trials=options.trials or _TRIALS,
        time_limit=options.time_limit,
        confirm=options.confirm,
        keep_models=options.keep_models or "best",
        pack=options.pack or "auto",
        reuse=commandline.reused_places(options),
    )


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


def _database(
    options: argparse.Namespace, search_options: SearchOptions, folder: RunFolder
) -> tuple[str, SearchOptions]:
    """Return the database's URL, and the options that keep it without its password.

    A database that should exist already is tried at once.
    """
    from study.tuning import databases

    url = options.optuna_storage
    if url is None and search_options.storage is not None:
        if search_options.hides_password:
            raise ConfigError(
                f"this search uses {search_options.storage}, whose password is not stored: pass "
                "the full URL as --optuna-storage"
            )
        url = search_options.storage
    if url is not None:
        databases.without_password(url)  # raises if this is not a URL
        url = databases.absolute(url)
    search_options = replace(
        search_options, storage=None if url is None else databases.without_password(url)
    )
    in_folder = url is None
    url = url or databases.url_of(folder.path)
    if options.resume and not folder.plan:
        return url, search_options  # killed before its first proposal: maybe no database yet
    if options.resume and in_folder and not (folder.path / layout.DATABASE).is_file():
        raise ConfigError(
            f"{folder.path} lacks {layout.DATABASE}, the database of its search: restore it, or "
            "start a new run"
        )
    if options.resume or not in_folder:
        databases.check(url, search_options.study_name, resumed=bool(options.resume))
    return url, search_options


def _points(directory: Path, space: SearchSpace, objective: str) -> list[dict[str, Any]]:
    """Return the best points of the run in `directory` that lie in `space`.

    Data set and length may differ: a cheap run may tell a longer one where to begin.

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
        if len(points) == _START_POINTS:
            break
    if not points:
        reason = ", ".join(first_outside) or "no trial has a result"
        raise ConfigError(
            f"no point of {directory} lies in the search space ({reason}): change the space with "
            "--set, or omit --start-from"
        )
    return points


def _duration(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text} must be a duration above 0, such as 90 (seconds), 30m or 2h"
        )
    return seconds


def _repeats(text: str) -> tuple[int, int]:
    best, _, seeds = text.partition("x")
    if not (best.isdecimal() and seeds.isdecimal()) or (int(best) == 0) != (int(seeds) == 0):
        raise argparse.ArgumentTypeError(
            f"{text} must be settings x seeds, two numbers of 1 or more such as 5x5, or 0x0 for "
            "no confirmation"
        )
    return int(best), int(seeds)


if __name__ == "__main__":
    sys.exit(main())
