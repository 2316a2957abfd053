"""How fast fleets are on this machine, from a few training steps of each size."""

from __future__ import annotations

import contextlib
import math
import os
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

import torch

from lenet import user_cache
from lenet.config import TrainConfig
from lenet.datasets import Dataset
from lenet.devices import describe_device, training_device
from lenet.fleet import Fleet
from lenet.fused import Unfusable
from lenet.training import Run
from study.cluster.estimate import busy_neighbors, short_run, time_step

MAX_MEMBERS = 128
"""The largest fleet that was measured (docs/results/bench/fleets.txt)."""

_CACHE = "fleet-speeds"
"""name in the user's cache"""

_MEASUREMENTS = 2
_TIMED_SECONDS = 0.1
_MAX_TIMED_STEPS = 50
_SECONDS_OF_ALL = 6.0
_SECONDS_OF_ONE = 0.5

_PAYS = 1.1  # times as fast as alone: less is within the noise of the measurement
_RISES = 1.05
_FALLS = 0.9

# Weights, gradients, two moments, and temporary copies. A quarter of the memory is for them.
_COPIES_OF_WEIGHTS = 6
_SHARE_OF_MEMORY = 0.25


@dataclass(frozen=True)
class Limit:
    """The maximum number of members of a fleet of one kind of trial."""

    members: int
    reason: str = ""
    """why it is 1"""


class FleetSpeeds:
    """Chooses the sizes of fleets, and tells how much faster they are than trials alone.

    Each measurement is made once per machine and kept in the user's cache. Steps are timed beside
    other processes that compute, as `study.cluster.estimate` does.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        *,
        side_by_side: int,
        threads: int,
        use_gpu: bool,
        kinds: int,
    ) -> None:
        """`kinds`: how many kinds of trials share the time for measurements."""
        self._device = training_device(use_gpu)
        self._datasets = {name: dataset.to(self._device) for name, dataset in datasets.items()}
        self._neighbors = 0 if use_gpu else side_by_side - 1
        self._side_by_side = side_by_side
        self._threads = threads
        self._seconds = max(_SECONDS_OF_ONE, _SECONDS_OF_ALL / max(1, kinds))
        self._known = user_cache.read(_CACHE)
        self._measured: dict[str, float] = {}
        self._of_own_code: set[str] = set()
        """keys whose speeds are not saved: the user's code may change"""
        self._busy = contextlib.ExitStack()
        self._is_busy = False

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Use as many threads as trials will, and save what is measured."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with self._busy:
                yield
        finally:
            self._is_busy = False
            torch.set_num_threads(threads)
            user_cache.remember(
                _CACHE, {k: v for k, v in self._measured.items() if k not in self._of_own_code}
            )

    def fastest(self, configs: Sequence[TrainConfig], enough: int) -> Limit:
        """Return the size at which the members of a fleet take most steps a second altogether.

        Sizes are doubled up to `enough` until the speed no longer rises.
        """
        if len(configs) == 1:
            return Limit(1, "nothing to pack it with")
        if reason := self._unfusable(configs):
            return Limit(1, reason)
        started = time.monotonic()
        size, best = 1, 1.0
        tried, stalled = 1, 0
        largest = min(enough, MAX_MEMBERS, self._fitting(configs[0]))
        while tried < largest and stalled < 2 and time.monotonic() - started < self._seconds:
            tried = min(2 * tried, largest)
            try:
                speedup = self.speedup(configs[:tried])
            except (MemoryError, torch.OutOfMemoryError):
                break
            stalled = 0 if speedup > _RISES * best else stalled + 1
            if speedup > best:
                size, best = tried, speedup
            elif speedup < _FALLS * best:
                break
        if best >= _PAYS:
            return Limit(size)
        if tried == 1:
            return Limit(1, "one for each processor")
        ratio = self.speedup(configs[:2])
        return Limit(1, f"two as one would be {ratio:.1f} times as fast")

    def at_most(self, members: int, configs: Sequence[TrainConfig], _: int) -> Limit:
        """Return the size that the user chose, or 1 if the trials cannot be trained as one."""
        if len(configs) > 1 and (reason := self._unfusable(configs)):
            return Limit(1, reason)
        return Limit(members)

    def speedup(self, members: Sequence[TrainConfig]) -> float:
        """Return how many times as fast a fleet of `members` is as one after the other."""
        counts = Counter(member.optimizer for member in members)
        one_of_each = {member.optimizer: member for member in reversed(members)}
        alone = sum(
            count / self._speed([one_of_each[optimizer]]) for optimizer, count in counts.items()
        )
        return alone * self._speed(members) / len(members)

    def _unfusable(self, configs: Sequence[TrainConfig]) -> str:
        """Return in one line why the trials cannot be trained as one; empty if they can."""
        try:
            Fleet(self._runs(configs[:2]))
        except Unfusable as error:
            return textwrap.shorten(str(error), 150, placeholder=" ...")
        except Exception:  # a user's own model may raise anything; the estimate reports it
            return "its model cannot be trained"
        return ""

    def _speed(self, members: Sequence[TrainConfig]) -> float:
        """Return the steps a second of all members together; of one, if it is trained alone."""
        key = self._key(members)
        if any(member.names_own_code for member in members):
            self._of_own_code.add(key)
        known = self._measured.get(key, self._known.get(key))
        if isinstance(known, float) and 0 < known < math.inf:
            return known
        self._surround()
        runs = self._runs(members)
        fleet = Fleet(runs) if len(runs) > 1 else None
        # Other work may hold up one measurement; the faster of two tells what the steps need.
        step = min(
            _time_fleet_step(fleet) if fleet else time_step(runs[0]) for _ in range(_MEASUREMENTS)
        )
        self._measured[key] = len(runs) / step
        return self._measured[key]

    def _surround(self) -> None:
        """Keep other processors busy, from the first measurement on."""
        if not self._is_busy:
            self._busy.enter_context(busy_neighbors(self._neighbors))
            self._is_busy = True

    def _runs(self, configs: Sequence[TrainConfig]) -> list[Run]:
        return [short_run(config, self._datasets[config.dataset]) for config in configs]

    def _fitting(self, config: TrainConfig) -> int:
        """Return how many members have room for their weights on every processor."""
        model = self._runs([config])[0].model
        size = sum(p.numel() * p.element_size() for p in model.parameters())
        if self._device.type == "cuda":
            memory = torch.cuda.mem_get_info(self._device)[0]
        else:
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        room = _SHARE_OF_MEMORY * memory / self._side_by_side
        return max(1, math.floor(room / (size * _COPIES_OF_WEIGHTS)))

    def _key(self, members: Sequence[TrainConfig]) -> str:
        """Return what a speed depends on, in words."""
        config = members[0]
        optimizers = Counter(member.optimizer for member in members)
        orders = len({(member.seed, member.shuffle) for member in members})
        return (
            f"{config.model}, width {config.width}, {dict(config.own)}, {config.loss}, "
            f"{config.dataset}, batch "
            f"{config.batch_size}, {config.train_samples or 'all'} samples, "
            f"{'dropout' if any(m.dropout for m in members) else 'no dropout'}: "
            f"{', '.join(f'{count} {name}' for name, count in sorted(optimizers.items()))}, "
            f"{orders} orders; {describe_device(self._device)}, {self._threads} threads, "
            f"{self._side_by_side} side by side; torch {metadata.version('torch')}"
        )


def _time_fleet_step(fleet: Fleet) -> float:
    """Return the seconds of a step of all members, as `time_step` does of one run."""
    fleet.train_to(fleet.step + 1)  # also gathers the first batches
    steps, started = 0, time.perf_counter()
    while steps < _MAX_TIMED_STEPS and time.perf_counter() - started < _TIMED_SECONDS:
        fleet.train_to(fleet.step + 2)
        steps += 2
    return (time.perf_counter() - started) / steps
