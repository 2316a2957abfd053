"""Measure the overhead of a search per trial, compared with Optuna alone in one process.

    python -m benchmarks.search_overhead [--trials 100] [--rounds 3]

All methods run the same trivial trials (one step on 64 samples), with the same sampler and space:
- `optuna.study.optimize` in this process, with its study in memory and in a SQLite file
- the project's search through Ray Tune, one trial at a time and two at once

For comparison, a Ray issue reports 227 ms per suggestion (ray-project/ray#11004).
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import torch
from rich.console import Console

from benchmarks.grid_overhead import METADATA, spread
from benchmarks.machine import header, typed_command
from lenet import datasets
from lenet.training import Run, train
from search_spaces.search import SPACE
from search_spaces.space import SearchSpace
from study.analysis.search import quiet_optuna
from study.cluster import connection
from study.cluster.resources import Resources
from study.runs import layout
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE
from study.tuning import databases
from study.tuning.search import Search, build_sampler, propose

_BASE = {"dataset": "digits", "steps": 1}
_OBJECTIVE = "validation_accuracy"


def alone(trials: int, data: datasets.Dataset, url: str | None) -> float:
    """Return milliseconds per trial of `study.optimize`, in memory or with the database `url`."""
    searched = SearchSpace(SPACE, _BASE)

    def objective(trial: optuna.Trial) -> float:
        run = Run(searched.config(propose(SPACE, trial)), data)
        return [record.validation_accuracy for record in train(run)][-1]

    with quiet_optuna():
        storage = None if url is None else databases.connect(url)
        study = optuna.create_study(
            direction="maximize", sampler=build_sampler("tpe", 0), storage=storage
        )
        started = time.perf_counter()
        study.optimize(objective, n_trials=trials)
    return 1e3 * (time.perf_counter() - started) / trials


def through_ray(trials: int, data: datasets.Dataset, concurrent: int, place: Path) -> float:
    """Return milliseconds per trial as `study.search` runs it, after the first trial."""
    # Import after `connection.connect`: Ray reads its environment variables when imported.
    from study.tuning.progress import ProgressCallback
    from study.tuning.tuner import run_trials

    folder = RunFolder.create(place / f"run{concurrent}", METADATA, [])
    search = Search(
        space=SearchSpace(SPACE, _BASE),
        objectives=(_OBJECTIVE,),
        sampler="tpe",
        seed=0,
        trials=trials,
        seconds=None,
        url=databases.url_of(folder.path),
        study_name="bench",
    )
    search.open(folder, resumed=False)
    run_trials(
        folder,
        search,
        {"digits": data},
        Resources(1, 0, concurrent, at_first=concurrent, side_by_side=concurrent),
        study="bench",
        objectives=[_OBJECTIVE],
        scheduler="none",
        keep_models="best",
        progress=ProgressCallback(
            Console(file=io.StringIO()), {}, objective=_OBJECTIVE, complete=0, unnamed=trials
        ),
    )
    planned_trials = [folder.trial(planned.name) for planned in folder.plan]
    complete = [t for t in planned_trials if t.state().get("status") in COMPLETE]
    if not len(complete) == len(planned_trials) == trials:
        raise RuntimeError("some trials are incomplete, so their cost is unknown")
    ended = sorted(p.stat().st_mtime for p in folder.path.glob(f"trials/*/{layout.TRIAL_RECORDS}"))
    return 1e3 * (ended[-1] - ended[0]) / (trials - 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_overhead")
    parser.add_argument("--trials", type=int, default=100, help="trials per search")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; methods alternate")
    options = parser.parse_args()
    print(header("Overhead of a search per trial", typed_command("search_overhead")))
    torch.set_num_threads(1)
    digits = datasets.load("digits")
    data = dataclasses.replace(digits, train=digits.train[:64], test=digits.test[:8])
    connection.connect(None)
    methods: dict[str, Callable[[Path], float]] = {
        "optuna, in memory": lambda place: alone(options.trials, data, None),
        "optuna, SQLite": lambda place: alone(options.trials, data, databases.url_of(place)),
        "study.search": lambda place: through_ray(options.trials, data, 1, place),
        "study.search, 2 at once": lambda place: through_ray(options.trials, data, 2, place),
    }
    alone(5, data, None)  # warm-up: torch imports more modules at its first step
    costs: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(options.rounds):
        for name, measure in methods.items():
            with tempfile.TemporaryDirectory() as place:
                costs[name].append(measure(Path(place)))
    print(
        f"\n{options.trials} trials of one step on 64 samples, TPE over the space of "
        f"study.search;\nmilliseconds per trial, medians of {options.rounds} alternating rounds "
        "(lowest - highest)\n"
    )
    for name, values in costs.items():
        print(f"{name:<26}{spread(values):>28}")
    ratios = [a / b for a, b in zip(costs["study.search"], costs["optuna, SQLite"], strict=True)]
    print(f"study.search / Optuna with SQLite: {spread(ratios)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
