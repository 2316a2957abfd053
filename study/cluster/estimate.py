"""How long trials will take, from a few training steps timed on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from lenet import user_cache
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import check_shardable
from lenet.datasets import Dataset
from lenet.devices import describe_device, training_device
from lenet.evaluation import evaluate
from lenet.loading import describe_failure
from lenet.precheck import check_batches
from lenet.run_length import RunLength
from lenet.training import Run

_WARM_UP_STEPS = 2
_TIMED_SECONDS = 0.15
_MAX_TIMED_STEPS = 50
_EVALUATION_SAMPLES = 1_000

# Ray's start and stop, the workers' import of torch, and the figures (seen on two cores).
_START_UP_SECONDS = 40.0
# Beyond steps and evaluations, a trial takes 0.2 to 1 s and a record 1 to 7 ms for its files and
# Tune's part (docs/results: search, lr-range, upc-line).
_TRIAL_SECONDS = 0.6
_RECORD_SECONDS = 0.003

_STEP_TIMES = "step-times"
"""name in the user's cache"""
_REMEMBERED_SECONDS = 30 * 24 * 3600.0
_BUSY = 1.5
"""load average per CPU above which times are not remembered: other work has slowed the steps"""

_NEIGHBOR_START_SECONDS = 0.1
# Computes until its parent is gone.
_NEIGHBOR = "import os; p = os.getppid()\nwhile os.getppid() == p: sum(range(100_000))"


@dataclass(frozen=True)
class FleetShare:
    """What the estimate of a trial needs to know of its fleet."""

    fleet: str
    members: int
    speedup: float
    """of the fleet's steps, against those of its members one after the other"""


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of each trial and of the whole run."""

    trial_seconds: Mapping[str, float]
    """by `TrainConfig.id`"""
    total_seconds: float
    typical_seconds: float = 0.0
    """of a trial whose config is not known yet"""
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    """those of `trial_seconds` that training steps take"""


def estimate(
    configs: Iterable[TrainConfig],
    datasets: Mapping[str, Dataset],
    *,
    side_by_side: int,
    threads: int,
    use_gpu: bool,
    data_parallel: bool = False,
    sync_batch_norm: bool = False,
    fleets: Mapping[str, FleetShare] | None = None,
) -> Estimate:
    """Time one training step and one evaluation for every kind of trial in `configs`.

    The times are remembered on this machine for 30 days, but not those of the user's own code,
    nor those of a busy machine.

    `side_by_side` trials each have a processor to themselves. They share cores (hyperthreads),
    caches and the clock frequency, so steps are timed beside other processes that compute.
    `fleets` has the share of each trial that is trained in a fleet, by `TrainConfig.id`.

    Raises: ConfigError if a model cannot be trained, or, with `data_parallel`, if it cannot be
    trained by several workers (`lenet.data_parallel.check_shardable` has `sync_batch_norm`).
    """
    device = training_device(use_gpu)
    configs = list(configs)
    conditions = [
        *(platform.node(), describe_device(device), torch.__version__),
        *(threads, side_by_side, data_parallel, sync_batch_norm),
    ]
    remembered = user_cache.read(_STEP_TIMES)
    timings: dict[str, _Timing] = {}
    for config in configs:
        timing = _Timing.remembered(remembered.get(_key(config, conditions)))
        if timing and not config.names_own_code:
            timings[_key(config, conditions)] = timing
    unknown = [config for config in configs if _key(config, conditions) not in timings]
    if unknown:
        measured = _measure(
            unknown,
            {name: dataset.to(device) for name, dataset in datasets.items()},
            neighbors=0 if use_gpu else side_by_side - 1,
            threads=threads,
            shardable=sync_batch_norm if data_parallel else None,
        )
        found = {_key(config, conditions): timing for config, timing in measured}
        if os.getloadavg()[0] <= _BUSY * (os.cpu_count() or 1):
            user_cache.remember(_STEP_TIMES, {key: vars(timing) for key, timing in found.items()})
        timings |= found
    trial_seconds, step_seconds = {}, {}
    unit_seconds: dict[str, float] = {}  # of fleets and of single trials
    alone = FleetShare("", 1, 1.0)
    for config in configs:
        timing = timings[_key(config, conditions)]
        length = _Length.of(config, datasets[config.dataset])
        share = (fleets or {}).get(config.id, alone)
        step_seconds[config.id] = length.steps * timing.step / share.speedup
        trial_seconds[config.id] = (
            step_seconds[config.id]
            + length.evaluated_samples * timing.sample
            + length.records * _RECORD_SECONDS
            + _TRIAL_SECONDS / share.members
        )
        unit = share.fleet or config.id
        unit_seconds[unit] = unit_seconds.get(unit, 0.0) + trial_seconds[config.id]
    if not trial_seconds:  # Ray is not even started
        return Estimate({}, 0.0)
    total = training_seconds(unit_seconds.values(), side_by_side) + _START_UP_SECONDS
    return Estimate(trial_seconds, total, step_seconds=step_seconds)


def training_seconds(unit_seconds: Collection[float], side_by_side: int) -> float:
    """Return how long fleets and single trials of these seconds take, `side_by_side` at once."""
    return max(sum(unit_seconds) / side_by_side, *unit_seconds)


@dataclass(frozen=True)
class _Timing:
    """Measured seconds of one kind of trial."""

    step: float
    sample: float
    """of one evaluated sample"""
    at: float
    """when they were measured, in seconds since 1970"""

    @classmethod
    def remembered(cls, found: Any) -> _Timing | None:
        """Read what was remembered; None if it is missing, damaged or too old."""
        try:
            timing = cls(**{name: float(value) for name, value in found.items()})
        except (AttributeError, TypeError, ValueError):
            return None
        is_valid = 0 < timing.step < math.inf and 0 < timing.sample < math.inf
        return timing if is_valid and time.time() - timing.at < _REMEMBERED_SECONDS else None


def _model(config: TrainConfig) -> tuple[object, ...]:
    """What the time of an evaluation depends on.

    Without the optimizer: its share of a step is small, and each kind costs a probe.
    """
    return (
        *(config.dataset, config.model, config.width, config.dropout > 0, config.precision),
        *(config.loss, str(dict(config.own)), config.metrics),
    )


def _key(config: TrainConfig, conditions: Sequence[object]) -> str:
    """What a remembered time is found by: the kind of trial, its data, and the machine."""
    data = (config.train_samples, config.validation_fraction, config.loss)
    return json.dumps([*_model(config), config.batch_size, *data, *conditions])


def _measure(
    configs: Sequence[TrainConfig],
    datasets: Mapping[str, Dataset],
    *,
    neighbors: int,
    threads: int,
    shardable: bool | None,
) -> Iterator[tuple[TrainConfig, _Timing]]:
    """Check every kind of trial and time it; yield each config with its times.

    `datasets` are on the device. `shardable`: `sync_batch_norm` of a data-parallel run, else None.
    """
    default_threads = torch.get_num_threads()
    torch.set_num_threads(threads)
    step_seconds: dict[tuple[object, ...], float] = {}
    sample_seconds: dict[tuple[object, ...], float] = {}
    checked = set()
    try:
        with busy_neighbors(neighbors):
            for config in configs:
                model, dataset = _model(config), datasets[config.dataset]
                kind = (*model, config.batch_size)
                split = (kind, config.train_samples, config.validation_fraction, config.schedule)
                if split not in checked:
                    run = Run(config, dataset, dataset.train.device)
                    if shardable is not None:
                        check_shardable(run.model, config.model, sync_batch_norm=shardable)
                    check_batches(run)
                    checked.add(split)
                if kind not in step_seconds:
                    step_seconds[kind], sample = _time_probe(
                        config, dataset, time_evaluation=model not in sample_seconds
                    )
                    sample_seconds.setdefault(model, sample)
                yield config, _Timing(step_seconds[kind], sample_seconds[model], time.time())
    finally:
        torch.set_num_threads(default_threads)


def estimate_unknown(sampled: Estimate, trials: int, side_by_side: int) -> Estimate:
    """Extrapolate an estimate of sampled configs to `trials` trials whose configs are unknown."""
    typical = sum(sampled.trial_seconds.values()) / len(sampled.trial_seconds)
    total = _START_UP_SECONDS + typical * trials / side_by_side
    return Estimate(sampled.trial_seconds, total, typical)


def start_up_seconds(launcher: str, workers: int) -> float:
    """Return how long a launch of data-parallel workers takes beside its training.

    Two machines of two cores took 18 and 32 s (Ray Train, one worker), 24 and 40 s (two), 59 s
    (four); torchrun 10 to 15, 10 to 17 and 28 s; a plain process 12 s (docs/results/scaling).
    """
    return 17.0 + 8.0 * workers if launcher == "ray" else 10.0 + 3.0 * workers


@dataclass(frozen=True)
class _Length:
    """How much work a trial is."""

    steps: int
    evaluated_samples: int
    records: int

    @classmethod
    def of(cls, config: TrainConfig, dataset: Dataset) -> _Length:
        train, validation = dataset.split(config)
        length = RunLength(config, len(train))
        tests = length.evaluations if config.test_curve else int(config.test_at_end)
        evaluated = length.evaluations * len(validation) + tests * len(dataset.test)
        return cls(length.total_steps, evaluated, length.records)


@contextlib.contextmanager
def busy_neighbors(count: int) -> Iterator[None]:
    """Keep `count` other processors busy, as trials side by side will be.

    They end with this process, however it ends.
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
        raise ConfigError(
            f"model={config.model} cannot be trained with batch_size={config.batch_size}, "
            f"width={config.width}: {describe_failure(error)}"
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
