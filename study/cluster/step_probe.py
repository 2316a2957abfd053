"""Timed training steps and evaluations on this machine, which also check the trials."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import torch

from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import check_shardable
from lenet.dataset_files import AnyDataset
from lenet.datasets import Dataset
from lenet.devices import training_device
from lenet.evaluation import evaluate
from lenet.loading import describe_failure
from lenet.precheck import check_batches
from lenet.training import Run
from search_spaces.objective import range_of
from study.cluster.timing import Timing, model_of

_WARM_UP_STEPS = 2
_TIMED_SECONDS = 0.15
_MAX_TIMED_STEPS = 50
_EVALUATION_SAMPLES = 1_000

_NEIGHBOR_START_SECONDS = 0.1
# Computes until its parent is gone.
_NEIGHBOR = "import os; p = os.getppid()\nwhile os.getppid() == p: sum(range(100_000))"


def measure(
    configs: Sequence[TrainConfig],
    datasets: Mapping[str, AnyDataset],
    *,
    use_gpu: bool,
    neighbors: int,
    threads: int,
    shardable: bool | None,
) -> Iterator[tuple[TrainConfig, Timing]]:
    """Check every kind of trial and time it; yield each config with its times.

    `shardable`: `sync_batch_norm` of a data-parallel run, else None.
    """
    device = training_device(use_gpu)
    loaded = {name: dataset.load().to(device) for name, dataset in datasets.items()}
    default_threads = torch.get_num_threads()
    torch.set_num_threads(threads)
    step_seconds: dict[tuple[object, ...], float] = {}
    sample_seconds: dict[tuple[object, ...], float] = {}
    checked = set()
    try:
        with busy_neighbors(neighbors):
            for config in configs:
                model, dataset = model_of(config), loaded[config.dataset]
                kind = (*model, config.batch_size)
                split = (kind, config.train_samples, config.validation_fraction, config.schedule)
                if split not in checked:
                    run = Run(config, dataset, device)
                    if shardable is not None:
                        check_shardable(run.model, config.model, sync_batch_norm=shardable)
                    check_batches(run, range_of)
                    checked.add(split)
                if kind not in step_seconds:
                    step_seconds[kind], sample = _time_probe(
                        config, dataset, time_evaluation=model not in sample_seconds
                    )
                    sample_seconds.setdefault(model, sample)
                yield config, Timing(step_seconds[kind], sample_seconds[model])
    finally:
        torch.set_num_threads(default_threads)


@contextlib.contextmanager
def busy_neighbors(count: int) -> Iterator[None]:
    """Keep `count` other processors busy, as trials side by side will do.

    The busy processes end with this one, however it ends.
    """
    command = [sys.executable, "-S", "-c", _NEIGHBOR]
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            neighbor = stack.enter_context(subprocess.Popen(command))
            stack.callback(neighbor.kill)
        if count:
            time.sleep(_NEIGHBOR_START_SECONDS)
        yield


def _time_probe(
    config: TrainConfig, dataset: Dataset, *, time_evaluation: bool
) -> tuple[float, float]:
    """Return (seconds per training step, seconds per evaluated sample or NaN) of a short run."""
    try:
        run = short_run(config, dataset)
        return time_step(run), _sample_seconds(run) if time_evaluation else math.nan
    except ConfigError:
        raise
    except Exception as error:  # the user's own code may raise anything
        width = f", width={config.width}" if config.width != TrainConfig.width else ""
        raise ConfigError(
            f"model={config.model} cannot be trained with batch_size={config.batch_size}{width}: "
            f"{describe_failure(error)}"
        ) from error


def short_run(config: TrainConfig, dataset: Dataset) -> Run:
    """Create a short run like `config` that records no curve and validates on one sample."""
    train, _ = dataset.split(config)
    # At least two samples: one to train on, one to validate with.
    samples = dataset.train[: max(2, len(train))]
    small = dataclasses.replace(dataset, train=samples, test=dataset.test[:_EVALUATION_SAMPLES])
    settings = config.replace(
        steps=_WARM_UP_STEPS + _MAX_TIMED_STEPS,
        epochs=None,
        record_every=None,
        evaluate_at=None,
        train_samples=None,
        validation_fraction=1 / len(samples),
        test_curve=False,
    )
    return Run(settings, small, dataset.train.device)


def time_step(run: Run) -> float:
    """Return the seconds of a training step of a `short_run`."""
    for _ in range(_WARM_UP_STEPS):
        run.train_step()
    run.synchronize()
    steps, started = 0, time.perf_counter()
    while steps < _MAX_TIMED_STEPS:
        run.train_step()
        steps += 1
        if steps >= 3 and time.perf_counter() - started > _TIMED_SECONDS:
            break
    run.synchronize()
    return (time.perf_counter() - started) / steps


def _sample_seconds(run: Run) -> float:
    evaluate(run.model, run.loss, run.test_samples[:_EVALUATION_SAMPLES])
    started = time.perf_counter()
    evaluate(run.model, run.loss, run.test_samples)
    return (time.perf_counter() - started) / len(run.test_samples)
