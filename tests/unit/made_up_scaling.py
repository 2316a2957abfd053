"""A made-up scaling run: its real plan, with step times from a formula.

Every number in its tables is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from search_spaces.hardware import LAUNCHERS
from study.analysis.results import Results
from study.analysis.step_model import StepTime
from study.runs.metadata import DatasetInfo, RunMetadata
from study.scaling.plan import ScalingRequest

STEPS = 48
MODEL = StepTime(
    fixed=1e-3,
    per_byte=1e-9,
    per_sample_0=0.8e-5,
    per_sample_1=1.2e-5,
    per_sample_2=1e-5,
    latency=2e-3,
    seconds_per_byte=2e-9,
)
WARM_UP_FACTOR = 5.0
"""Factor by which each of the first ten steps takes longer."""
START_UP = {"ray": 30.0, "torchrun": 8.0, "plain": 4.0}
EVALUATION = 2.5
"""Seconds of each trial for evaluation and files."""
RAY_COST = 1.25
"""Factor by which a step takes longer under Ray than without."""
COMMUNICATION = {"serial": 0.0, "ddp": 1.0, "explicit": 2.0, "dp": 0.0}
"""Factor of the formula's communication, by strategy."""

TWO_RATES = {"lr": ["0.1", "0.01"]}
"""A setting that varies in addition to the workers."""


def gradient_bytes(width: int) -> int:
    return 50_000 * width + 200_000 * width**2


def made_up_scaling(
    workers: Sequence[int] = (1, 2),
    widths: Sequence[int] = (1, 2, 4),
    *,
    repeats: int = 2,
    weak: bool = True,
    study: str = "fan-hardware",
    processors: Sequence[str] = ("cpu",),
    oversubscribed: Sequence[int] = (),
    strategies: Sequence[str] = ("ddp",),
    settings: Mapping[str, Sequence[str]] | None = None,
) -> Results:
    """The tables of a run. Seconds of repeat r are 1 + r / 100 times those of the formula.
    `settings` are what `--set` gives."""
    request = ScalingRequest(
        study=study,
        budget="quick",
        repeats=repeats,
        choices={
            "width": [str(width) for width in widths],
            "steps": [str(STEPS)],
            **(settings or {}),
        },
        workers={processor: workers for processor in processors},
        weak=weak,
        launchers=LAUNCHERS,
        strategies=strategies,
        cpus_per_worker=1.0,
        placement="pack",
    )
    trials: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    timings: list[dict[str, Any]] = []
    for launch in request.launches():
        for point in launch.points:
            config = point.config
            size = gradient_bytes(config.width)
            slower = (1 + launch.repeat / 100) * (RAY_COST if launch.launcher == "ray" else 1.0)
            slower *= 0.1 if launch.processor == "gpu" else 1.0
            train_samples = config.train_samples or 55_000
            batch = min(config.batch_size, train_samples)
            samples = math.ceil(batch / launch.workers)
            data = 1e-4 * slower
            compute = MODEL.compute_seconds(samples, config.width, size) * slower - data
            communication = MODEL.communication_seconds(launch.workers, size) * slower
            communication *= COMMUNICATION[launch.strategy]
            for rank in range(launch.workers):
                for step in range(1, STEPS + 1):
                    factor = WARM_UP_FACTOR if step <= 10 else 1.0
                    timings.append(
                        {
                            "trial": point.name,
                            "rank": rank,
                            "step": step,
                            "begun_at": 0,
                            "data_seconds": data * factor,
                            "compute_seconds": compute * factor,
                            "communication_seconds": communication * factor,
                        }
                    )
            rows = [
                _record(point.name, step, batch, train_samples, data + compute + communication)
                for step in (STEPS // 2, STEPS)
            ]
            records += rows
            start = START_UP[launch.launcher] + launch.workers
            trials.append(
                {
                    **rows[-1],
                    "status": "finished",
                    "error": None,
                    "device": "cpu (made up)" if launch.processor == "cpu" else "made-up GPU",
                    "threads": 1,
                    "launch": launch.name,
                    "launcher": launch.launcher,
                    "processor": launch.processor,
                    "workers": launch.workers,
                    "strategy": launch.strategy,
                    "oversubscribed": launch.workers in oversubscribed,
                    "ray_seconds": 10.0 if launch.launcher == "ray" else 0.0,
                    "launch_seconds": start - 1.5,
                    "group_seconds": 0.5,
                    "load_seconds": 1.0,
                    "total_seconds": start + rows[-1]["train_seconds"] + EVALUATION,
                    "gradient_bytes": size,
                    "load_average": 0.6 + launch.repeat,
                    **config.to_dict(),
                }
            )
    run = RunMetadata(
        tool="study.scaling",
        study=study,
        budget="quick",
        seeds=repeats,
        dataset=DatasetInfo("mnist", "made up"),
        device="cpu (made up)",
        machine={"nodes": 1, "cpus": 2, "gpus": 0},
    )
    return Results(
        run=run,
        trials=pd.DataFrame(trials),
        records=pd.DataFrame(records),
        timings=pd.DataFrame(timings),
    )


def _record(
    trial: str, step: int, batch: int, train_samples: int, seconds: float
) -> dict[str, Any]:
    accuracy = 0.5 + 0.45 * step / STEPS
    epochs, steps = divmod(step, math.ceil(train_samples / batch))
    samples = epochs * train_samples + steps * batch
    return {
        "trial": trial,
        "step": step,
        "epoch": samples / train_samples,
        "samples": samples,
        "train_loss": 1 - accuracy,
        "train_accuracy": accuracy,
        "validation_loss": 1 - accuracy,
        "validation_accuracy": accuracy,
        "test_loss": 1 - accuracy,
        "test_accuracy": accuracy,
        "train_seconds": (step + min(step, 10) * (WARM_UP_FACTOR - 1)) * seconds,
        "samples_per_second": batch / seconds,
        "steps_per_second": 1 / seconds,
        "diverged": False,
    }
