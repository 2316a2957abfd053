"""What Ray costs a grid, beside what it brings.

    python -m benchmarks.grid_overhead [--rounds 3] [--trials 200] [--fresh-trials 6]

First the whole smoke grid of Fan's study on the digits, by the project's own `run_trials`
and as a plain loop over the same configs in this process, in turns. Then Ray alone: trials
of one step on 64 samples, with workers reused from trial to trial (as the project does),
with a new worker for each, and without Ray.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

import search_spaces
from benchmarks.machine import header, typed_command
from lenet import TrainConfig, datasets
from lenet.training import Run, train
from search_spaces.study import Planned
from study.cluster import connection as cluster
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE

Data = Mapping[str, datasets.Dataset]


@dataclass(frozen=True)
class Timing:
    """Seconds of one pass over a plan."""

    wall: float
    first: float
    """until the first trial was done: Tune and its workers starting, mostly"""
    training: float
    """inside training steps, summed over the trials"""


def through_ray(
    plan: Sequence[Planned], data: Data, concurrent: int, *, reuse: bool = True
) -> Timing:
    """The plan as `study.grid` runs it, or with a new worker process for every trial."""
    # Not before `cluster.connect`: Ray reads its environment when imported.
    from study.tuning.progress import ProgressCallback
    from study.tuning.tuner import run_trials

    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder.create(Path(place) / "run", {}, plan)
        began, started = time.time(), time.perf_counter()
        if reuse:
            silent = Console(file=io.StringIO())
            run_trials(
                folder,
                plan,
                data,
                cluster.Resources(1, 0, concurrent, at_first=concurrent, side_by_side=concurrent),
                study="bench",
                objectives=["validation_accuracy"],
                scheduler="none",
                progress=ProgressCallback(
                    silent,
                    {p.name: 1.0 for p in plan},
                    objective="validation_accuracy",
                    already_done=0,
                ),
            )
        else:
            tune_without_reuse(folder, plan, data, concurrent, Path(place) / "tune")
        wall = time.perf_counter() - started
        trials = [folder.trial(planned.name) for planned in plan]
        if any(trial.state().get("status") not in COMPLETE for trial in trials):
            raise RuntimeError("some trials did not end: their cost cannot be told")
        # A trial's curve is written once here, at its end.
        written = [folder.path / "trials" / p.name / "records.json" for p in plan]
        done_at = [path.stat().st_mtime for path in written]
        training = sum(trial.records()[-1].train_seconds for trial in trials)
    return Timing(wall, min(done_at) - began, training)


def tune_without_reuse(
    folder: RunFolder, plan: Sequence[Planned], data: Data, concurrent: int, tune_folder: Path
) -> None:
    """`run_trials` reduced to its Tuner, and with workers that serve one trial each."""
    from ray import tune

    from study.tuning.suggester import InOrder
    from study.tuning.trial import Trial, share
    from study.tuning.tuner import SECONDS_BETWEEN_REPORTS

    trainable = tune.with_parameters(
        Trial,
        datasets={name: share(dataset) for name, dataset in data.items()},
        run_folder=str(folder.home),
        threads=1,
        use_gpu=False,
        objectives=("validation_accuracy",),
        seconds_between_reports=SECONDS_BETWEEN_REPORTS,
    )
    tune.Tuner(
        tune.with_resources(trainable, {"CPU": 1}),
        tune_config=tune.TuneConfig(
            search_alg=InOrder(plan),
            num_samples=len(plan),
            max_concurrent_trials=concurrent,
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            storage_path=str(tune_folder),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()


def plain(plan: Sequence[Planned], data: Data) -> Timing:
    """The plan as a loop in this process, nothing written."""
    started, first, training = time.perf_counter(), 0.0, 0.0
    for planned in plan:
        run = Run(planned.config, data[planned.config.dataset])
        for _ in train(run):
            pass
        first = first or time.perf_counter() - started
        training += run.train_seconds
    return Timing(time.perf_counter() - started, first, training)


def grid_table(rounds: int) -> None:
    """(a) The same grid by a loop and by Ray."""
    plan = search_spaces.find("fan").plan("smoke", seeds=1, dataset="digits")
    data = {"digits": datasets.load("digits")}
    concurrent = min(len(plan), int(cluster.this_machine().cpus))
    plain(plan[:1], data)  # torch imports more at its first step; the loop is not to pay for it
    loop, ray = [], []
    for _ in range(rounds):
        loop.append(plain(plan, data))
        ray.append(through_ray(plan, data, concurrent))
    print(
        f"\n(a) {len(plan)} trials of fan, budget smoke, digits; Ray runs {concurrent} at once, "
        f"1 thread each;\n    seconds, medians of {rounds} rounds in turns (lowest - highest)\n"
    )
    print(f"{'':<26}{'whole grid':>24}{'first trial done':>24}{'training steps':>24}")
    for name, timings in (("plain loop, one process", loop), ("study.tuning", ray)):
        columns = (
            [getattr(timing, f) for timing in timings] for f in ("wall", "first", "training")
        )
        print(f"{name:<26}" + "".join(f"{spread(column):>24}" for column in columns))
    pairs = list(zip(ray, loop, strict=True))
    whole = spread([one.wall / other.wall for one, other in pairs])
    after = spread([(one.wall - one.first) / (other.wall - other.first) for one, other in pairs])
    print(f"study.tuning / plain loop: {whole} whole, {after} after the first trial")


def spread(values: Sequence[float]) -> str:
    """Median with the lowest and the highest: of three rounds there is no interval."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})"


def trivial_plan(trials: int) -> list[Planned]:
    """Trials that hardly train: what they take is what it takes to have a trial."""
    config = TrainConfig(dataset="digits", steps=1, batch_size=32)
    return [Planned(name=f"trial{n}", config=config.replace(seed=n)) for n in range(trials)]


def trial_table(trials: int, fresh_trials: int) -> None:
    """(b) What a trial costs apart from its training."""
    digits = datasets.load("digits")
    data = {"digits": dataclasses.replace(digits, train=digits.train[:64], test=digits.test[:8])}
    many, few = trivial_plan(trials), trivial_plan(fresh_trials)
    rows = {
        "no Ray": (many, plain(many, data)),
        "workers reused": (many, through_ray(many, data, 1)),
        "workers reused, 2 at once": (many, through_ray(many, data, 2)),
        "a new worker per trial": (few, through_ray(few, data, 1, reuse=False)),
    }
    print("\n(b) trials of one step on 64 samples, one at a time where not said otherwise\n")
    print(f"{'':<26}{'trials':>8}{'wall s':>10}{'first done s':>14}{'ms a further trial':>20}")
    for name, (plan, timing) in rows.items():
        further = 1e3 * (timing.wall - timing.first) / (len(plan) - 1)
        print(f"{name:<26}{len(plan):>8}{timing.wall:>10.2f}{timing.first:>14.2f}{further:>20.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grid_overhead")
    parser.add_argument("--rounds", type=int, default=3, help="passes over the grid, each way")
    parser.add_argument("--trials", type=int, default=200, help="trivial trials")
    parser.add_argument("--fresh-trials", type=int, default=6, help="with a worker each")
    options = parser.parse_args()
    print(header("What Ray costs a grid of small trials", typed_command("grid_overhead")))
    torch.set_num_threads(1)
    started = time.perf_counter()
    cluster.connect(None)
    print(f"Ray started in {time.perf_counter() - started:.1f} s (not counted below)")
    grid_table(options.rounds)
    trial_table(options.trials, options.fresh_trials)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
