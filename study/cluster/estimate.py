"""How long a plan will take, from a few training steps measured on this machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import check_learns_alike
from lenet.datasets import Dataset
from lenet.devices import training_device
from lenet.training import Run, evaluate

_WARM_UP_STEPS = 2
_MEASURED_SECONDS = 0.15
_MOST_MEASURED_STEPS = 50
_EVALUATED_SAMPLES = 1_000

# Ray starting and stopping, and the workers importing torch (seen on two cores).
_START_UP_SECONDS = 15.0


def clock(seconds: float) -> str:
    """A duration for people: `0:42`, `12:05`, `3:07:30`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(frozen=True)
class Estimate:
    """Seconds that trials will take one by one, and the whole plan."""

    trial_seconds: Mapping[str, float]
    """by the config's id"""
    total_seconds: float
    typical_seconds: float = 0.0
    """of one trial that is not known yet"""
    start_up_seconds: float = _START_UP_SECONDS


def estimate(
    configs: Iterable[TrainConfig],
    datasets: Mapping[str, Dataset],
    *,
    side_by_side: int,
    threads: int,
    use_gpu: bool,
    data_parallel: bool = False,
) -> Estimate:
    """Time the training step of every kind of trial in `configs`, one after the other.

    `side_by_side` is how many trials have a processor of their own at the same time. They
    share the memory bus and the clock, so the truth is a little more. Raises `ConfigError`
    if a model cannot be trained at all, or if several workers are to train a run (`data_parallel`)
    and they cannot.
    """
    device = training_device(use_gpu)
    moved = {name: dataset.to(device) for name, dataset in datasets.items()}
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        step_seconds: dict[tuple[object, ...], float] = {}
        sample_seconds: dict[tuple[object, ...], float] = {}
        trial_seconds = {}
        for config in configs:
            # The optimizer is left out: its share of a step is small, a probe is not.
            model = (config.dataset, config.model, config.width, config.dropout > 0)
            kind = (*model, config.batch_size)
            if kind not in step_seconds:
                try:
                    run = _probe(config, moved[config.dataset])
                    if data_parallel:
                        check_learns_alike(run.model, config.model)
                    step_seconds[kind] = _step_seconds(run)
                    if model not in sample_seconds:
                        sample_seconds[model] = _sample_seconds(run)
                except ConfigError:
                    raise
                except Exception as error:  # a model of the user's own may raise anything
                    reason = (str(error).strip().splitlines() or [""])[0]
                    raise ConfigError(
                        f"model={config.model} cannot be trained with batch_size="
                        f"{config.batch_size}, width={config.width}: {type(error).__name__}: "
                        f"{reason}"
                    ) from error
            run_length = _Length.of(config, datasets[config.dataset])
            trial_seconds[config.id] = (
                run_length.steps * step_seconds[kind]
                + run_length.evaluated_samples * sample_seconds[model]
            )
    finally:
        torch.set_num_threads(before)
    longest = max(trial_seconds.values(), default=0.0)
    total = max(sum(trial_seconds.values()) / side_by_side, longest) + _START_UP_SECONDS
    return Estimate(trial_seconds, total)


@dataclass(frozen=True)
class _Length:
    steps: int
    evaluated_samples: int

    @classmethod
    def of(cls, config: TrainConfig, dataset: Dataset) -> _Length:
        train, validation = dataset.split(config)
        steps_per_epoch = -(-len(train) // min(config.batch_size, len(train)))
        steps = config.steps or config.epochs * steps_per_epoch
        records = -(-steps // (config.record_every or steps_per_epoch))
        if config.evaluate_at is not None:
            records = sum(step < steps for step in config.evaluate_at) + 1
        tests = records if config.test_curve else int(config.test_at_end)
        return cls(steps, records * len(validation) + tests * len(dataset.test))


def _probe(config: TrainConfig, dataset: Dataset) -> Run:
    """A run like `config` that keeps no curve and validates on next to nothing."""
    train, _ = dataset.split(config)
    # Two samples at least: one to train on, one to validate with.
    few = dataset.train[: max(2, len(train))]
    small = dataclasses.replace(dataset, train=few, test=dataset.test[:_EVALUATED_SAMPLES])
    settings = config.replace(
        steps=_WARM_UP_STEPS + _MOST_MEASURED_STEPS,
        epochs=1,
        record_every=None,
        evaluate_at=None,
        train_samples=None,
        validation_fraction=1 / len(few),
        test_curve=False,
    )
    return Run(settings, small, dataset.train.inputs.device)


def _step_seconds(run: Run) -> float:
    for _ in range(_WARM_UP_STEPS):
        run.train_step()
    run.wait()
    steps, started = 0, time.perf_counter()
    while steps < _MOST_MEASURED_STEPS:
        run.train_step()
        steps += 1
        if steps >= 3 and time.perf_counter() - started > _MEASURED_SECONDS:
            break
    run.wait()
    return (time.perf_counter() - started) / steps


def _sample_seconds(run: Run) -> float:
    evaluate(run.model, run.loss, run.test_samples[:_EVALUATED_SAMPLES])
    started = time.perf_counter()
    evaluate(run.model, run.loss, run.test_samples)
    return (time.perf_counter() - started) / len(run.test_samples)
