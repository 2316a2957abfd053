"""What a search costs per trial, beside Optuna alone in one process.

    python -m benchmarks.search_overhead [--trials 100] [--rounds 3]

The same trivial trials (one step on 64 samples) proposed by the same sampler over the same space:
by `optuna.study.optimize` in this process with Optuna's memory and with its SQLite file, and by the
project's own search through Ray Tune, one trial at a time and two at once. Ray's own thread on the
cost of a suggestion saw 227 ms (ray-project/ray#11004).
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

from benchmarks.grid_overhead import spread
from benchmarks.machine import header, typed_command
from lenet import datasets
from lenet.training import Run, train
from search_spaces.search import SPACE
from search_spaces.study import Searched
from study.analysis.search import quiet
from study.cluster import connection as cluster
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE
from study.tuning import databases
from study.tuning.search import Search, build_sampler, propose

_BASE = {"dataset": "digits", "steps": 1}
_OBJECTIVE = "validation_accuracy"


def alone(trials: int, data: datasets.Dataset, url: str | None) -> float:
    """Milliseconds a trial of `study.optimize`, its study in memory or in the database `url`."""
    searched = Searched(SPACE, _BASE)

    def objective(trial: optuna.Trial) -> float:
        run = Run(searched.config(propose(SPACE, trial)), data)
        return [record.validation_accuracy for record in train(run)][-1]

    with quiet():
        storage = None if url is None else databases.connect(url)
        study = optuna.create_study(
            direction="maximize", sampler=build_sampler("tpe", 0), storage=storage
        )
        started = time.perf_counter()
        study.optimize(objective, n_trials=trials)
    return 1e3 * (time.perf_counter() - started) / trials


def through_ray(trials: int, data: datasets.Dataset, concurrent: int, place: Path) -> float:
    """Milliseconds a trial of a search as `study.search` runs it, once the first is done."""
    # Not before `cluster.connect`: Ray reads its environment when imported.
    from study.tuning.progress import ProgressCallback
    from study.tuning.tuner import run_trials

    folder = RunFolder.create(place / f"run{concurrent}", {}, [])
    search = Search(
        searched=Searched(SPACE, _BASE),
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
        cluster.Resources(1, 0, concurrent, at_first=concurrent, side_by_side=concurrent),
        study="bench",
        objectives=[_OBJECTIVE],
        scheduler="none",
        progress=ProgressCallback(
            Console(file=io.StringIO()), {}, objective=_OBJECTIVE, already_done=0, to_come=trials
        ),
    )
    kept = [folder.trial(planned.name) for planned in folder.plan]
    if len(kept) != trials or any(trial.state().get("status") not in COMPLETE for trial in kept):
        raise RuntimeError("some trials did not end: their cost cannot be told")
    done_at = sorted(p.stat().st_mtime for p in folder.path.glob("trials/*/records.json"))
    return 1e3 * (done_at[-1] - done_at[0]) / (trials - 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_overhead")
    parser.add_argument("--trials", type=int, default=100, help="in each search")
    parser.add_argument("--rounds", type=int, default=3, help="of every way, in turns")
    options = parser.parse_args()
    print(header("What a search costs per trial", typed_command("search_overhead")))
    torch.set_num_threads(1)
    digits = datasets.load("digits")
    data = dataclasses.replace(digits, train=digits.train[:64], test=digits.test[:8])
    cluster.connect(None)
    ways: dict[str, Callable[[Path], float]] = {
        "optuna, in memory": lambda place: alone(options.trials, data, None),
        "optuna, SQLite": lambda place: alone(options.trials, data, databases.url_of(place)),
        "study.search": lambda place: through_ray(options.trials, data, 1, place),
        "study.search, 2 at once": lambda place: through_ray(options.trials, data, 2, place),
    }
    alone(5, data, None)  # torch imports more at its first step; no way is to pay for it
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, run in ways.items():
            with tempfile.TemporaryDirectory() as place:
                found[name].append(run(Path(place)))
    print(
        f"\n{options.trials} trials of one step on 64 samples, TPE over the space of "
        f"study.search;\nmilliseconds a trial, medians of {options.rounds} rounds in turns "
        "(lowest - highest)\n"
    )
    for name, costs in found.items():
        print(f"{name:<26}{spread(costs):>28}")
    ratios = [a / b for a, b in zip(found["study.search"], found["optuna, SQLite"], strict=True)]
    print(f"study.search / optuna with SQLite: {spread(ratios)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
