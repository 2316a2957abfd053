"""How long trials will take, from a few training steps timed on this machine."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import check_shardable
from lenet.datasets import Dataset
from lenet.devices import training_device
from lenet.run_length import RunLength
from lenet.training import Run, evaluate

_WARM_UP_STEPS = 2
_TIMED_SECONDS = 0.15
_MAX_TIMED_STEPS = 50
_EVALUATION_SAMPLES = 1_000

# Ray's start and stop, and the workers' import of torch (seen on two cores).
_START_UP_SECONDS = 15.0


def format_duration(seconds: float) -> str:
    """Format a duration as `0:42`, `12:05` or `3:07:30`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of each trial and of the whole run."""

    trial_seconds: Mapping[str, float]
    """by `TrainConfig.id`"""
    total_seconds: float
    typical_seconds: float = 0.0
    """of a trial whose config is not known yet"""


def estimate(
    configs: Iterable[TrainConfig],
    datasets: Mapping[str, Dataset],
    *,
    side_by_side: int,
    threads: int,
    use_gpu: bool,
    data_parallel: bool = False,
) -> Estimate:
    """Time one training step and one evaluation for every kind of trial in `configs`.

    `side_by_side` trials each have a processor to themselves. They share the memory bus and the
    clock frequency, so the true time is a little longer.

    Raises: ConfigError if a model cannot be trained, or, with `data_parallel`, if it cannot be
    trained by several workers.
    """
    device = training_device(use_gpu)
    on_device = {name: dataset.to(device) for name, dataset in datasets.items()}
    default_threads = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        step_seconds: dict[tuple[object, ...], float] = {}
        sample_seconds: dict[tuple[object, ...], float] = {}
        trial_seconds = {}
        for config in configs:
            # The optimizer is left out: its share of a step is small, and each kind costs a probe.
            model = (config.dataset, config.model, config.width, config.dropout > 0)
            kind = (*model, config.batch_size)
            if kind not in step_seconds:
                step_seconds[kind], sample = _time_probe(
                    config,
                    on_device[config.dataset],
                    check_sharding=data_parallel,
                    time_evaluation=model not in sample_seconds,
                )
                sample_seconds.setdefault(model, sample)
            length = _Length.of(config, datasets[config.dataset])
            trial_seconds[config.id] = (
                length.steps * step_seconds[kind] + length.evaluated_samples * sample_seconds[model]
            )
    finally:
        torch.set_num_threads(default_threads)
    longest = max(trial_seconds.values(), default=0.0)
    total = max(sum(trial_seconds.values()) / side_by_side, longest) + _START_UP_SECONDS
    return Estimate(trial_seconds, total)


def estimate_unknown(sampled: Estimate, trials: int, side_by_side: int) -> Estimate:
    """Extrapolate an estimate of sampled configs to `trials` trials whose configs are unknown."""
    typical = sum(sampled.trial_seconds.values()) / len(sampled.trial_seconds)
    total = _START_UP_SECONDS + typical * trials / side_by_side
    return Estimate(sampled.trial_seconds, total, typical)


@dataclass(frozen=True)
class _Length:
    """How much work a trial is."""

    steps: int
    evaluated_samples: int

    @classmethod
    def of(cls, config: TrainConfig, dataset: Dataset) -> _Length:
        train, validation = dataset.split(config)
        length = RunLength(config, len(train))
        tests = length.evaluations if config.test_curve else int(config.test_at_end)
        evaluated = length.evaluations * len(validation) + tests * len(dataset.test)
        return cls(length.total_steps, evaluated)


def _time_probe(
    config: TrainConfig, dataset: Dataset, *, check_sharding: bool, time_evaluation: bool
) -> tuple[float, float]:
    """Return (seconds per training step, seconds per evaluated sample or NaN) of a short run."""
    try:
        run = _probe(config, dataset)
        if check_sharding:
            check_shardable(run.model, config.model)
        return _step_seconds(run), _sample_seconds(run) if time_evaluation else math.nan
    except ConfigError:
        raise
    except Exception as error:  # the user's own model may raise anything
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ConfigError(
            f"model={config.model} cannot be trained with batch_size={config.batch_size}, "
            f"width={config.width}: {type(error).__name__}: {reason}"
        ) from error


def _probe(config: TrainConfig, dataset: Dataset) -> Run:
    """Create a short run like `config` that records no curve and validates on one sample."""
    train, _ = dataset.split(config)
    # At least two samples: one to train on, one to validate with.
    samples = dataset.train[: max(2, len(train))]
    small = dataclasses.replace(dataset, train=samples, test=dataset.test[:_EVALUATION_SAMPLES])
    settings = config.replace(
        steps=_WARM_UP_STEPS + _MAX_TIMED_STEPS,
        epochs=1,
        record_every=None,
        evaluate_at=None,
        train_samples=None,
        validation_fraction=1 / len(samples),
        test_curve=False,
    )
    return Run(settings, small, dataset.train.inputs.device)


def _step_seconds(run: Run) -> float:
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
