"""Estimates of how long trials will take, from a few training steps timed on this machine.

Torch is not needed if all times are in the user's cache.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata

from lenet.config import TrainConfig
from lenet.dataset_files import AnyDataset, split_sizes
from lenet.devices import name_of_device
from lenet.records import RECORDS_VERSION
from lenet.run_length import RunLength
from study.cluster.timing import MachineCache, Timing, model_of

# Ray's start and stop, the workers' import of torch, and the figures (seen on two cores).
_START_UP_SECONDS = 40.0
# Beyond steps and evaluations. Tune's time for a fleet or a single trial, and the files of a trial:
# 1,000 trials of one step, alone and in fleets of 4 and 63, took 13.5, 8.0 and 6.6 s on two cores.
_UNIT_SECONDS = 0.015
_TRIAL_SECONDS = 0.013
# A record's files, tables and figures: the 47,500 of `upc-line` took 34 s on one core, unpacked.
_RECORD_SECONDS = 0.0007

_STEP_TIMES = "step-times"
"""name in the user's cache"""


@dataclass(frozen=True)
class FleetShare:
    """The fleet of a trial, as far as the trial's estimate depends on it."""

    fleet: str
    members: int
    speedup: float
    """of the fleet's steps, over the steps of its members one after another"""


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of each trial and of the whole run."""

    trial_seconds: Mapping[str, float]
    """by `TrainConfig.id`"""
    training_seconds: float
    """by the clock, of all trials side by side; without the start of Ray, the workers' import of
    torch, and the figures"""
    typical_seconds: float = 0.0
    """of a trial whose config is not known yet"""
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    """the part of `trial_seconds` that training steps take"""

    @property
    def total_seconds(self) -> float:
        """The time of the whole run; 0 if it has no trial."""
        return self.training_seconds + _START_UP_SECONDS if self.trial_seconds else 0.0


def estimate(
    configs: Iterable[TrainConfig],
    datasets: Mapping[str, AnyDataset],
    *,
    side_by_side: int,
    threads: int,
    use_gpu: bool,
    data_parallel: bool = False,
    sync_batch_norm: bool = False,
    fleets: Mapping[str, FleetShare] | None = None,
    memory: dict[str, Timing] | None = None,
) -> Estimate:
    """Time one training step and one evaluation for every kind of trial in `configs`.

    The user's cache keeps the times of this machine for 30 days. It keeps no times of the user's
    own code, and none measured while the machine is busy.

    `side_by_side` trials each have a processor to themselves. They share cores (hyperthreads),
    caches and the clock frequency, so steps are timed beside other processes that compute.
    `fleets` has the share of each trial that is trained in a fleet, by `TrainConfig.id`.
    `memory` holds the times that earlier calls of the same command have measured, and receives
    those that this call measures. Otherwise, two estimates would differ on a busy machine.

    Raises: ConfigError if a model cannot be trained, or, with `data_parallel`, if it cannot be
    trained by several workers. `lenet.data_parallel.check_shardable` explains `sync_batch_norm`.
    """
    configs = list(configs)
    conditions = [
        *(name_of_device(use_gpu), metadata.version("torch")),
        *(threads, side_by_side, data_parallel, sync_batch_norm),
    ]
    remembered = MachineCache(_STEP_TIMES)
    memory = {} if memory is None else memory
    timings = dict(memory)
    for config in configs:
        timing = Timing.remembered(remembered.get(_key(config, conditions)))
        if timing and not config.names_own_code and _key(config, conditions) not in memory:
            timings[_key(config, conditions)] = timing
    unknown = [config for config in configs if _key(config, conditions) not in timings]
    if unknown:
        from study.cluster import step_probe  # imports torch, which takes seconds

        measured = step_probe.measure(
            unknown,
            datasets,
            use_gpu=use_gpu,
            neighbors=0 if use_gpu else side_by_side - 1,
            threads=threads,
            shardable=sync_batch_norm if data_parallel else None,
        )
        found = {_key(config, conditions): timing for config, timing in measured}
        remembered.remember({key: vars(timing) for key, timing in found.items()})
        timings |= found
        memory |= found
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
            + _TRIAL_SECONDS
            + _UNIT_SECONDS / share.members
        )
        unit = share.fleet or config.id
        unit_seconds[unit] = unit_seconds.get(unit, 0.0) + trial_seconds[config.id]
    training = side_by_side_seconds(unit_seconds.values(), side_by_side) if unit_seconds else 0.0
    return Estimate(trial_seconds, training, step_seconds=step_seconds)


def side_by_side_seconds(unit_seconds: Collection[float], side_by_side: int) -> float:
    """Return how long fleets and single trials of these seconds take, `side_by_side` at once."""
    return max(sum(unit_seconds) / side_by_side, *unit_seconds)


def _key(config: TrainConfig, conditions: Sequence[object]) -> str:
    """Return the key of a time in the cache: the kind of trial, its data, and `conditions`."""
    data = (config.train_samples, config.validation_fraction, config.loss)
    # Code that gives different records may also take a different time.
    return json.dumps([*model_of(config), config.batch_size, *data, *conditions, RECORDS_VERSION])


def estimate_unknown(sampled: Estimate, trials: int, side_by_side: int) -> Estimate:
    """Extrapolate an estimate of sampled configs to `trials` trials whose configs are unknown."""
    typical = sum(sampled.trial_seconds.values()) / len(sampled.trial_seconds)
    return Estimate(sampled.trial_seconds, typical * trials / side_by_side, typical)


def start_up_seconds(launcher: str, workers: int) -> float:
    """Return how long a launch of data-parallel workers takes beside its training.

    Two machines of two cores took 18 and 32 s (Ray Train, one worker), 24 and 40 s (two), 59 s
    (four); torchrun 10 to 15, 10 to 17 and 28 s; a plain process 12 s (docs/results/scaling).
    """
    return 17.0 + 8.0 * workers if launcher == "ray" else 10.0 + 3.0 * workers


@dataclass(frozen=True)
class _Length:
    """The amount of work in one trial."""

    steps: int
    evaluated_samples: int
    records: int

    @classmethod
    def of(cls, config: TrainConfig, dataset: AnyDataset) -> _Length:
        total, test = dataset.sizes
        training, validation = split_sizes(dataset.name, total, config)
        length = RunLength(config, training)
        tests = length.evaluations if config.test_curve else int(config.test_at_end)
        evaluated = length.evaluations * validation + tests * test
        return cls(length.total_steps, evaluated, length.records)
