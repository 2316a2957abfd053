"""What the commands cost beside training: a trial of a grid or a search, many trials, a dry run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import optuna
import torch

from benchmarks import measured_command, trivial
from benchmarks.measured_command import Training
from benchmarks.row import Row, line
from benchmarks.table import Line
from lenet import datasets
from lenet.training import Run, train
from search_spaces.study import PlannedTrial
from study.analysis.search import quiet_optuna
from study.runs.event_file import EventFile
from study.runs.run_folder import RunFolder
from study.tuning import databases
from study.tuning.search import build_sampler, propose

_GRID = "benchmarks.trivial:GRID"
_SEARCH = "benchmarks.trivial:SEARCH"
_MAX_SEEDS = 1_000
# The start of a second worker would be among the milliseconds of a trial.
_ONE_WORKER = ("--max-concurrent", "1")


def _ms_alone(plan: Sequence[PlannedTrial], data: datasets.Dataset) -> float:
    """Return the milliseconds of a trial in a plain loop that writes nothing."""
    started = time.perf_counter()
    for planned in plan:
        for _ in train(Run(planned.config, data)):
            pass
    return 1e3 * (time.perf_counter() - started) / len(plan)


def _ms_of_events(folder: Path) -> float:
    """Return the milliseconds that the events of a trial take, written once more."""
    run = RunFolder.open(folder)
    trials = [run.trial(planned.name) for planned in run.plan]
    known = [(trial.records(), trial.state()) for trial in trials]
    with tempfile.TemporaryDirectory() as place:
        warm_up, *folders = (
            RunFolder(place).trial(name) for name in ("warm-up", *(p.name for p in run.plan))
        )
        for trial in (warm_up, *folders):
            trial.begin({})
        EventFile(warm_up.home).write(known[0][0], state={}, status="finished")
        started = time.perf_counter()
        for trial, (records, state) in zip(folders, known, strict=True):
            EventFile(trial.home).write(records, state=state, status="finished")
        return 1e3 * (time.perf_counter() - started) / len(trials)


def _trivial_grid(trials: int, place: Path, *more: str) -> Training:
    """Train so many trivial trials with `study.grid`."""
    seeds = min(trials, _MAX_SEEDS)
    rates = [f"{0.01 * (1 + number):g}" for number in range(trials // seeds)]
    points = ["--set", f"lr={','.join(rates)}", "--seeds", str(seeds)]
    return measured_command.train("study.grid", _GRID, *points, *more, folder=place)


def _grid(quick: bool) -> Iterator[Line]:
    """Yield the milliseconds that the grid adds to a trivial trial."""
    torch.set_num_threads(1)
    trials, rounds = (140, 1) if quick else (1_000, 3)  # more than a single fleet
    data = datasets.load("digits")
    plan = trivial.GRID.plan("quick", seeds=trials)
    alone, packed, events = [], [], []
    _ms_alone(plan[:5], data)  # warm-up
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "run"
            alone.append(_ms_alone(plan, data))
            training = _trivial_grid(trials, folder, *_ONE_WORKER)
            packed.append(1e3 * training.seconds_per_further_trial)
            events.append(_ms_of_events(folder))
    with_events = [ours - loop for ours, loop in zip(packed, alone, strict=True)]
    without = [added - written for added, written in zip(with_events, events, strict=True)]
    note = (
        f"{statistics.median(packed):.1f} ms a trial after the first fleet, one worker; the loop "
        f"{statistics.median(alone):.1f}"
    )
    what = f"{trials:,} trials"
    yield line(f"{what}, with events", with_events, "ms a trial added", at_most=8.0, note=note)
    yield line(
        f"{what}, without events",
        without,
        "ms a trial added",
        at_most=2.0,
        note=f"less the {statistics.median(events):.1f} ms that writing a trial's events takes "
        "here: they cannot be switched off",
    )


def _optuna_alone(trials: int, data: datasets.Dataset, place: Path) -> float:
    """Return milliseconds per trial of `optimize` with a SQLite file."""
    space = trivial.SEARCH.search_space({}, "quick")

    def objective(trial: optuna.Trial) -> float:
        run = Run(space.config(propose(space.dimensions, trial)), data)
        return [record.validation_accuracy for record in train(run)][-1]

    with quiet_optuna():
        study = optuna.create_study(
            direction="maximize",
            sampler=build_sampler("tpe", 0),
            storage=databases.connect(databases.url_of(place)),
        )
        started = time.perf_counter()
        study.optimize(objective, n_trials=trials)
    return 1e3 * (time.perf_counter() - started) / trials


def _searched(trials: int, folder: Path) -> float:
    """Return milliseconds per trial of `study.search`, after the first trial or fleet."""
    options = ["--trials", str(trials), "--confirm", "0x0", *_ONE_WORKER]
    training = measured_command.train("study.search", _SEARCH, *options, folder=folder)
    return 1e3 * training.seconds_per_further_trial


def _search(quick: bool) -> Iterator[Line]:
    """Yield the milliseconds that the search adds to a trivial trial."""
    torch.set_num_threads(1)
    trials, rounds = (8, 1) if quick else (100, 3)
    data = datasets.load("digits")
    alone, ours = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            alone.append(_optuna_alone(trials, data, Path(place)))
            ours.append(_searched(trials, Path(place) / "run"))
    yield line(
        f"{trials} trials",
        [one - other for one, other in zip(ours, alone, strict=True)],
        "ms a trial added",
        at_most=10.0,
        note=f"{statistics.median(ours):.1f} ms a trial instead of {statistics.median(alone):.1f}",
    )


def _many(quick: bool) -> Iterator[Line]:
    """Yield the seconds of the whole command against the number of trials."""
    for trials in (2, 4) if quick else (10, 100, 1_000, 10_000):
        for pack in ("auto", "off"):
            if pack == "off" and trials > 1_000:
                continue
            with tempfile.TemporaryDirectory() as place:
                training = _trivial_grid(trials, Path(place) / "run", "--pack", pack)
            yield line(
                f"{trials:,} trials, --pack {pack}",
                [training.usage.wall],
                "s",
                x=trials,
                note=f"{training.outside:.0f} s of them before and after the trials, driver "
                f"{training.usage.memory:,.0f} MiB",
            )


def _dry_run(quick: bool) -> Iterator[Line]:
    """Yield the processor seconds of the plan of Fan's grid, the second time and later."""
    rounds = 1 if quick else 5
    usages = [measured_command.run("study.grid", "fan", "--dry-run") for _ in range(rounds + 1)]
    clock = statistics.median(usage.wall for usage in usages[1:])
    yield line(
        "fan, steps and files known",
        [usage.processor for usage in usages[1:]],
        "s",
        at_most=5.0,
        note=f"processor seconds; {clock:.1f} s by the clock",
    )


ROWS = (
    Row("search-overhead", "Optuna alone, with SQLite, in one process", _search),
    Row("grid-overhead", "a plain loop over the same trials that writes nothing", _grid),
    Row("many-trials", "none: the whole command study.grid", _many),
    Row("dry-run", "none: study.grid --dry-run", _dry_run),
)
