"""Measure the overhead of Ray for a grid of small trials.

    python -m benchmarks.grid_overhead [--rounds 3] [--trials 200] [--fresh-trials 6]

(a) The smoke grid of Fan's study on the digits: with the project's `run_trials`, and with a plain
loop in this process. The two alternate.

(b) Trials of one step on 64 samples: without Ray, with workers that are reused (as in the project),
and with a new worker per trial.
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
from search_spaces.study import PlannedTrial
from study.cluster import connection
from study.cluster.resources import Resources, this_machine
from study.runs import layout
from study.runs.metadata import DatasetInfo, RunMetadata
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE

METADATA = RunMetadata(study="bench", budget="quick", dataset=DatasetInfo("digits"), device="cpu")

Data = Mapping[str, datasets.Dataset]


@dataclass(frozen=True)
class Timing:
    """Seconds for one pass over a plan."""

    wall: float
    first: float
    """until the first trial was complete: mostly the start of Tune and its workers"""
    training: float
    """in training steps, summed over the trials"""


def through_ray(
    plan: Sequence[PlannedTrial], data: Data, concurrent: int, *, reuse: bool = True
) -> Timing:
    """Time the plan as `study.grid` runs it, or with a new worker process for every trial."""
    # Import after `connection.connect`: Ray reads its environment variables when imported.
    from study.tuning.progress import ProgressCallback
    from study.tuning.tuner import run_trials

    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder.create(Path(place) / "run", METADATA, plan)
        began, started = time.time(), time.perf_counter()
        if reuse:
            silent = Console(file=io.StringIO())
            run_trials(
                folder,
                plan,
                data,
                Resources(1, 0, concurrent, at_first=concurrent, side_by_side=concurrent),
                study="bench",
                objectives=["validation_accuracy"],
                scheduler="none",
                keep_models="best",
                progress=ProgressCallback(
                    silent,
                    {p.name: 1.0 for p in plan},
                    objective="validation_accuracy",
                    complete=0,
                ),
            )
        else:
            tune_without_reuse(folder, plan, data, concurrent, Path(place) / "tune")
        wall = time.perf_counter() - started
        trials = [folder.trial(planned.name) for planned in plan]
        if any(trial.state().get("status") not in COMPLETE for trial in trials):
            raise RuntimeError("some trials are incomplete, so their cost is unknown")
        # These trials are so short that each writes its records only once, at its end.
        records = [folder.path / layout.TRIALS / p.name / layout.TRIAL_RECORDS for p in plan]
        ended = [path.stat().st_mtime for path in records]
        training = sum(trial.records()[-1].train_seconds for trial in trials)
    return Timing(wall, min(ended) - began, training)


def tune_without_reuse(
    folder: RunFolder, plan: Sequence[PlannedTrial], data: Data, concurrent: int, tune_folder: Path
) -> None:
    """Run the plan with a bare Tuner whose workers serve one trial each."""
    from ray import tune

    from study.cluster.datasets import share
    from study.tuning.suggester import InOrder
    from study.tuning.trial import Trial
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
            search_alg=InOrder(plan, plan),
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


def plain(plan: Sequence[PlannedTrial], data: Data) -> Timing:
    """Time the plan as a loop in this process that writes nothing."""
    started, first, training = time.perf_counter(), 0.0, 0.0
    for planned in plan:
        run = Run(planned.config, data[planned.config.dataset])
        for _ in train(run):
            pass
        first = first or time.perf_counter() - started
        training += run.train_seconds
    return Timing(time.perf_counter() - started, first, training)


def grid_table(rounds: int) -> None:
    """Print table (a): the same grid by a loop and by Ray."""
    plan = search_spaces.find("fan").plan("smoke", seeds=1, dataset="digits")
    data = {"digits": datasets.load("digits")}
    concurrent = min(len(plan), int(this_machine().cpus))
    plain(plan[:1], data)  # warm-up: torch imports more modules at its first step
    loop, ray = [], []
    for _ in range(rounds):
        loop.append(plain(plan, data))
        ray.append(through_ray(plan, data, concurrent))
    print(
        f"\n(a) {len(plan)} trials of fan, budget smoke, digits; Ray runs {concurrent} at once, "
        f"1 thread each;\n    seconds, medians of {rounds} alternating rounds (lowest - highest)\n"
    )
    print(f"{'':<26}{'whole grid':>24}{'first trial':>24}{'training steps':>24}")
    for name, timings in (("plain loop, one process", loop), ("study.tuning", ray)):
        columns = (
            [getattr(timing, f) for timing in timings] for f in ("wall", "first", "training")
        )
        print(f"{name:<26}" + "".join(f"{spread(column):>24}" for column in columns))
    pairs = list(zip(ray, loop, strict=True))
    whole = spread([one.wall / other.wall for one, other in pairs])
    after = spread([(one.wall - one.first) / (other.wall - other.first) for one, other in pairs])
    print(f"study.tuning / plain loop: {whole} in total, {after} after the first trial")


def spread(values: Sequence[float]) -> str:
    """Format the median, lowest and highest value: three rounds are too few for an interval."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})"


def trivial_plan(trials: int) -> list[PlannedTrial]:
    """Plan trials that hardly train, so that their duration is the overhead of a trial."""
    config = TrainConfig(dataset="digits", steps=1, batch_size=32)
    return [PlannedTrial(name=f"trial{n}", config=config.replace(seed=n)) for n in range(trials)]


def trial_table(trials: int, fresh_trials: int) -> None:
    """Print table (b): the overhead per trial."""
    digits = datasets.load("digits")
    data = {"digits": dataclasses.replace(digits, train=digits.train[:64], test=digits.test[:8])}
    many, few = trivial_plan(trials), trivial_plan(fresh_trials)
    rows = {
        "no Ray": (many, plain(many, data)),
        "workers reused": (many, through_ray(many, data, 1)),
        "workers reused, 2 at once": (many, through_ray(many, data, 2)),
        "a new worker per trial": (few, through_ray(few, data, 1, reuse=False)),
    }
    print("\n(b) trials of one step on 64 samples, one at a time unless noted\n")
    print(f"{'':<26}{'trials':>8}{'wall s':>10}{'first trial s':>14}{'ms per further trial':>22}")
    for name, (plan, timing) in rows.items():
        further = 1e3 * (timing.wall - timing.first) / (len(plan) - 1)
        print(f"{name:<26}{len(plan):>8}{timing.wall:>10.2f}{timing.first:>14.2f}{further:>22.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grid_overhead")
    parser.add_argument(
        "--rounds", type=int, default=3, help="passes over the grid with each method"
    )
    parser.add_argument(
        "--trials", type=int, default=200, help="trivial trials with reused workers"
    )
    parser.add_argument(
        "--fresh-trials", type=int, default=6, help="trivial trials with their own workers"
    )
    options = parser.parse_args()
    print(header("Overhead of Ray for a grid of small trials", typed_command("grid_overhead")))
    torch.set_num_threads(1)
    started = time.perf_counter()
    connection.connect(None)
    print(f"Ray started in {time.perf_counter() - started:.1f} s (not counted below)")
    grid_table(options.rounds)
    trial_table(options.trials, options.fresh_trials)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
