"""Search for the best settings: Optuna proposes, Ray Tune schedules, fresh seeds confirm.

    python -m study.search                                LeNet on MNIST, 40 trials by TPE
    python -m study.search --scheduler asha --trials 100 --time-limit 30m
    python -m study.search --set lr=1e-4..1 --set optimizer=adam,sgd --set epochs=10
    python -m study.search fan --start-from results/GRID  over a grid's ranges, from its best
    python -m study.search --objectives val_accuracy,train_seconds
    python -m study.search --resume results/NAME --trials 200      go on, with all that was learnt

Optuna's own dashboard shows a search: pip install optuna-dashboard, then
optuna-dashboard sqlite:///results/NAME/optuna.db
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import search_spaces
from lenet.config import ConfigError, nearest
from lenet.registry import REGRESSIONS
from search_spaces.space import Space
from study import commandline
from study.analysis.results import Results
from study.analysis.search import TOOL, best_points, described, restored
from study.request import Question
from study.runs.run_folder import RunFolder

SAMPLERS = ("tpe", "gp", "cmaes", "random", "qmc")
OBJECTIVES = (
    *("validation_accuracy", "validation_loss"),
    *("train_accuracy", "train_loss", "train_seconds", "samples_per_second"),
)
_TRIALS = 40
_CONFIRM = "5x5"
_FROM_A_GRID = 5
_UNITS = {"s": 1, "m": 60, "h": 3600}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code (0 done, 1 trials failed, 2 bad input, 130 Ctrl-C)."""
    return commandline.run(_parser(), _launch, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what is searched")
    what.add_argument(
        "study",
        nargs="?",
        help="a study of `python -m study` (default: search, a space made for this)",
    )
    commandline.add_budget(what)
    what.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUES",
        help="search over VALUE,VALUE or LOW..HIGH, or fix a VALUE; can be repeated",
    )
    what.add_argument(
        "--objectives",
        metavar="NAME[,NAME]",
        help=f"one of {', '.join(OBJECTIVES)} (default: the first), or two for their front",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--sampler", choices=SAMPLERS, help="who proposes (default: tpe)")
    how.add_argument("--sampler-seed", type=commandline.whole, metavar="N", help="(0)")
    how.add_argument("--trials", type=commandline.count, metavar="N", help=f"in all ({_TRIALS})")
    how.add_argument(
        "--time-limit",
        type=_duration,
        metavar="TIME",
        help="propose no trial after 90 (seconds), 30m or 2h, waiting for machines counted in; "
        "--resume gives as much again",
    )
    how.add_argument(
        "--scheduler",
        choices=("none", "asha", "median"),
        help="who stops weak trials early (default: none)",
    )
    how.add_argument(
        "--start-from",
        type=commandline.existing_folder,
        metavar="DIR",
        help=f"begin with the {_FROM_A_GRID} best points of an earlier run",
    )
    how.add_argument(
        "--confirm",
        type=_repeats,
        metavar="KxN",
        help=f"train the best K settings with N fresh seeds; 0x0: do not ({_CONFIRM})",
    )
    how.add_argument(
        "--optuna-storage",
        metavar="URL",
        help="where Optuna's study lies (default: optuna.db in the run's folder), such as "
        "postgresql+psycopg://USER@HOST/DATABASE",
    )
    commandline.add_places(parser)
    commandline.add_machine(parser)
    return parser


def _launch(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(
        options,
        *("study", "--budget", "--set", "--objectives", "--sampler", "--sampler-seed"),
        *("--scheduler", "--start-from", "--confirm", "--results", "--storage"),
    )
    if options.resume:
        folder = RunFolder.open(options.resume)
        folder.check_tool(TOOL)
        question, asked = Question.of_run(folder.run), dict(folder.run["asked"])
        asked["trials"] = options.trials or asked["trials"]
        asked["time_limit"] = options.time_limit or asked["time_limit"]
    else:
        question, asked = _question(options), _asked(options)
    study = search_spaces.find(question.study)
    # A wrong name or value is said before torch, which takes seconds to import.
    searched = study.searched(question.choices, question.budget)
    space = searched.space
    _check_objectives(asked["objectives"], searched.base)
    if options.resume:
        if tuple(map(restored, asked["space"])) != space:
            raise ConfigError(
                f"the space of {question.study} is another than when {options.resume} began: "
                "start a new run, or go back to the version that it began with"
            )
    else:
        asked["space"] = [described(dimension) for dimension in space]
        if options.start_from:
            asked["start_from"] = _points(options.start_from, space, asked["objectives"][0])
    from study.tuning import databases, execution
    from study.tuning import plan as launch
    from study.tuning.confirmation import Confirmation
    from study.tuning.search import Search

    results = options.resume or commandline.results(options, question.study, question.budget)
    folder = RunFolder(results)
    asked.setdefault("study_name", folder.path.name)
    if options.resume and folder.is_copy:
        with folder.locked():  # the database is brought here, unless another run is writing to it
            pass
    url = _database(options, asked, folder)

    def search(dataset: str | None) -> Search:
        return Search(
            searched=study.searched(question.choices, question.budget, dataset),
            objectives=tuple(asked["objectives"]),
            sampler=asked["sampler"],
            seed=asked["sampler_seed"],
            trials=asked["trials"],
            seconds=asked["time_limit"],
            url=url,
            study_name=asked["study_name"],
            start_from=asked["start_from"],
        )

    best, seeds = asked["confirm"]
    then = Confirmation(asked["objectives"][0], best, seeds) if best else None
    machine = commandline.machine(options)
    shown = databases.hide_passwords(typed, options.optuna_storage)
    command = commandline.line(TOOL, shown)
    if options.resume:
        started = launch.resumed_launch(
            options.resume,
            machine,
            options.data_dir,
            command,
            asked=asked,
            then=then,
            search=search,
        )
    else:
        started = launch.new_launch(
            question,
            machine,
            results,
            options.data_dir,
            command,
            tool=TOOL,
            asked=asked,
            then=then,
            search=search,
        )
    console = Console(highlight=False, soft_wrap=True)
    return execution.execute(started, console, dry_run=options.dry_run)


def _question(options: argparse.Namespace) -> Question:
    choices = commandline.choices(options.set)
    for name in ("test_at_end", "test_curve"):
        if name in choices:
            raise ConfigError(f"a search never reads the test set: leave --set {name} out")
    if len(choices.get("dataset", [])) > 1:
        raise ConfigError("accuracies on several data sets are no one objective: set one dataset")
    return Question(
        study=options.study or "search",
        budget=options.budget or "quick",
        seeds=1,
        choices=choices,
        scheduler=options.scheduler or "none",
    )


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What a resumed search has to know, as it lies in `run.json`."""
    named = OBJECTIVES[0] if options.objectives is None else options.objectives
    objectives = [_objective(name.strip()) for name in named.split(",")]
    if len(set(objectives)) != len(objectives) or len(objectives) > 2:
        raise ConfigError(f"--objectives {options.objectives}: name one, or two different ones")
    if len(objectives) > 1 and (options.scheduler or "none") != "none":
        raise ConfigError(
            f"--scheduler {options.scheduler} stops trials that are behind in one objective, which "
            "may be ahead in the other: leave it out, or search for one objective"
        )
    if len(objectives) > 1 and options.sampler == "cmaes":
        raise ConfigError("--sampler cmaes has one objective: use tpe, gp, random or qmc for two")
    return {
        "objectives": objectives,
        "sampler": options.sampler or SAMPLERS[0],
        "sampler_seed": options.sampler_seed or 0,
        "trials": options.trials or _TRIALS,
        "time_limit": options.time_limit,
        "confirm": list(options.confirm or _repeats(_CONFIRM)),
        "start_from": [],
    }


def _objective(name: str) -> str:
    """An objective by its name, `val_` standing for `validation_`."""
    full = name.replace("val_", "validation_", 1) if name.startswith("val_") else name
    if full.startswith("test_"):
        raise ConfigError(f"{full} is for the confirmation alone: search by validation_accuracy")
    if full not in OBJECTIVES:
        raise ConfigError(nearest(full, OBJECTIVES, "objective"))
    return full


def _check_objectives(objectives: Sequence[str], base: Mapping[str, Any]) -> None:
    """Raise `ConfigError` where an objective would never be measured."""
    for name in objectives:
        if name.endswith("_accuracy") and base.get("dataset") in REGRESSIONS:
            raise ConfigError(
                f"dataset={base['dataset']} has no accuracy: use --objectives train_loss"
            )
        if name.startswith("validation_") and base.get("validation_fraction") == 0:
            raise ConfigError(
                f"validation_fraction=0 leaves no {name} to search by: choose a fraction above 0, "
                "or --objectives train_loss"
            )


def _database(options: argparse.Namespace, asked: dict[str, Any], folder: RunFolder) -> str:
    """The URL of the database, which is tried at once where it is there already; what `asked` keeps
    of it has no password."""
    from study.tuning import databases

    given, kept = options.optuna_storage, asked.get("storage")
    if given is None and kept is not None:
        if "***" in kept:
            raise ConfigError(
                f"this search lies in {kept}, whose password is not kept: type --optuna-storage "
                "with it"
            )
        given = kept
    asked["storage"] = None
    if given is not None:
        databases.without_password(given)  # else it is no URL at all
        given = databases.absolute(given)
        asked["storage"] = databases.without_password(given)
    results = folder.path
    url: str = given or databases.url_of(results)
    if options.resume and not folder.plan:
        return url  # killed before its first proposal: its database may not be there yet
    if given or options.resume:
        if options.resume and given is None and not (results / databases.FILE).is_file():
            raise ConfigError(
                f"{results} has no {databases.FILE}, where its search lies: restore it, or start "
                "a new run"
            )
        databases.check(url, asked["study_name"], resumed=bool(options.resume))
    return url


def _points(directory: Path, space: Space, objective: str) -> list[dict[str, Any]]:
    """The best points of the run in `directory` that lie in `space`; raises `ConfigError` if none
    does."""
    results = Results.load(directory)
    if objective not in results.trials:
        raise ConfigError(f"{directory} has no {objective} to choose its best points by")
    found: list[dict[str, Any]] = []
    outside: list[str] = []
    for settings in best_points(results, objective):
        # What is left unset there is for the sampler to choose.
        present = [d.setting for d in space if d.present(settings)]
        point = {name: settings[name] for name in present if settings[name] is not None}
        beyond = [
            f"{d.setting} {point[d.setting]} is not in {d.over}"
            for d in space
            if d.setting in point and not d.over.holds(point[d.setting])
        ]
        outside = outside or beyond
        if not beyond and point not in found:
            found.append(point)
        if len(found) == _FROM_A_GRID:
            break
    if not found:
        reason = ", ".join(outside) or "it has no trial with a result"
        raise ConfigError(
            f"no point of {directory} lies in the space ({reason}): change the space with --set, "
            "or leave --start-from out"
        )
    return found


def _duration(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text} must be a time above 0, such as 90 (seconds), 30m or 2h"
        )
    return seconds


def _repeats(text: str) -> tuple[int, int]:
    best, _, seeds = text.partition("x")
    if not (best.isdecimal() and seeds.isdecimal()) or (int(best) == 0) != (int(seeds) == 0):
        raise argparse.ArgumentTypeError(
            f"{text} must be two numbers of 1 or more such as 5x5, settings and seeds for each, "
            "or 0x0 for none"
        )
    return int(best), int(seeds)


if __name__ == "__main__":
    sys.exit(main())
