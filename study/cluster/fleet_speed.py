"""Speeds of fleets on this machine, from a few training steps of each size.

Torch is not needed if all answers are in the user's cache.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from lenet.alike import ALIKE
from lenet.config import TrainConfig
from lenet.dataset_files import AnyDataset
from lenet.devices import name_of_device
from lenet.records import RECORDS_VERSION
from study.cluster.timing import MachineCache

if TYPE_CHECKING:
    from study.cluster.fleet_probe import FleetProbe

MAX_MEMBERS = 128
"""The largest fleet that was measured (`throughput` in docs/performance.md)."""

_SPEEDS = "fleet-speeds"
"""name, in the user's cache, of the steps per second of fleets"""
_KINDS = "fleet-kinds"
"""name, in the user's cache, of the facts about each kind of trial (see `_Kind`)"""
_LIMITS = "fleet-limits"
"""name, in the user's cache, of the chosen sizes; trying further sizes would need torch"""

PAYS = 1.1
"""Times as fast as alone: less is within the noise of the measurement."""

_SECONDS_OF_ALL = 6.0
_SECONDS_OF_ONE = 0.5

_RISES = 1.05
_FALLS = 0.75  # on a busy machine, fleets that pay were measured at 0.83 of the next smaller ones

# Weights, gradients, two moments, and temporary copies. A quarter of the memory is for them.
_COPIES_OF_WEIGHTS = 6
_SHARE_OF_MEMORY = 0.25


def too_slow(members: str, speedup: float) -> str:
    """Say how fast a fleet of so many members is that does not pay."""
    # 1.07 would read as 1.1, which is enough.
    digits = 2 if speedup > 1 else 1
    return f"{members} as one would be {speedup:.{digits}f} times as fast"


@dataclass(frozen=True)
class Limit:
    """The maximum size of a fleet of one kind of trial."""

    members: int
    reason: str = ""
    """why it is 1"""

    @classmethod
    def remembered(cls, found: Any) -> Limit | None:
        """Read a limit from the cache; None if it is missing or damaged."""
        try:
            limit = cls(**found)
        except TypeError:
            return None
        is_valid = isinstance(limit.members, int) and isinstance(limit.reason, str)
        return limit if is_valid and limit.members > 0 else None


@dataclass(frozen=True)
class _Kind:
    """The facts about a kind of trial, apart from its speed."""

    reason: str
    """why its trials cannot be trained as one, in one line; empty if they can"""
    weights: int
    """bytes"""

    @classmethod
    def remembered(cls, found: Any) -> _Kind | None:
        """Read the facts from the cache; None if they are missing or damaged."""
        try:
            kind = cls(**found)
        except TypeError:
            return None
        is_valid = isinstance(kind.reason, str) and isinstance(kind.weights, int)
        return kind if is_valid and kind.weights > 0 else None


@dataclass(frozen=True)
class Measurements:
    """The measurements of a command so far, by key. The user's cache does not keep all of them."""

    speeds: dict[str, float] = field(default_factory=dict)
    kinds: dict[str, _Kind] = field(default_factory=dict)
    limits: dict[str, Limit] = field(default_factory=dict)


class FleetSpeeds:
    """The speeds of fleets on this machine, by which their sizes are chosen.

    The user's cache keeps the measurements (see `MachineCache`), except those of the user's own
    code, which may change. Steps are timed beside other processes that compute, as in
    `study.cluster.estimate`.
    """

    def __init__(
        self,
        datasets: Mapping[str, AnyDataset],
        *,
        side_by_side: int,
        threads: int,
        use_gpu: bool,
        kinds: int,
        measured: Measurements | None = None,
    ) -> None:
        """Prepare to measure; `kinds` kinds of trials share the time for measurements.

        `measured` holds the measurements of the same command, and receives those of this instance:
        on a busy machine, a second measurement would differ.
        """
        self._datasets = datasets
        self._use_gpu = use_gpu
        self._side_by_side = side_by_side
        self._threads = threads
        self._seconds = max(_SECONDS_OF_ONE, _SECONDS_OF_ALL / max(1, kinds))
        self._measured = measured or Measurements()
        self._remembered = {name: MachineCache(name) for name in (_SPEEDS, _KINDS, _LIMITS)}
        self._to_remember: dict[str, dict[str, dict[str, Any]]] = {n: {} for n in self._remembered}
        self._probe: FleetProbe | None = None

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure within the block as trials will train; at its end, save the measurements."""
        try:
            yield
        finally:
            if self._probe is not None:
                self._probe.close()
                self._probe = None
            for name, values in self._to_remember.items():
                self._remembered[name].remember(values)
                values.clear()

    def fastest(self, configs: Sequence[TrainConfig], enough: int) -> Limit:
        """Return the fleet size with the most steps per second of all members together.

        The size is doubled, up to `enough`, until the speed no longer rises.
        """
        if len(configs) == 1:
            return Limit(1, "nothing to pack it with")
        if reason := self._kind(configs).reason:
            return Limit(1, reason)
        largest = min(enough, MAX_MEMBERS, self._fitting(configs))
        key = f"{self._key(configs[:largest])}, at most {largest}"
        limits = self._measured.limits
        if key not in limits:
            known = Limit.remembered(self._remembered[_LIMITS].get(key))
            if known is None:
                known, is_final = self._measure_fastest(configs, largest)
                if is_final and not any(config.names_own_code for config in configs[:largest]):
                    self._to_remember[_LIMITS][key] = vars(known)
            limits[key] = known
        return limits[key]

    def _measure_fastest(self, configs: Sequence[TrainConfig], largest: int) -> tuple[Limit, bool]:
        """Return the limit, and whether it is final: more time or memory might find another."""
        until = time.monotonic() + self._seconds
        size, best = 1, 1.0
        tried, stalled = 1, 0
        optimizers = {configs[0].optimizer}
        is_final = True
        while tried < largest and stalled < 2:
            if time.monotonic() >= until:
                is_final = False
                break
            tried = min(2 * tried, largest)
            try:
                speedup = self.speedup(configs[:tried])
            except MemoryError:
                if tried == 2:
                    return Limit(1, "two as one do not fit into the memory"), False
                is_final = False
                break
            # Each optimizer launches its own update, so the speed falls when another one joins and
            # rises again with more members.
            before, optimizers = optimizers, {config.optimizer for config in configs[:tried]}
            stalled = 0 if speedup > _RISES * best or optimizers > before else stalled + 1
            if speedup > best:
                size, best = tried, speedup
            elif speedup < _FALLS * best and stalled:
                break
        if best >= PAYS:
            return Limit(size), is_final
        if tried == 1:
            return Limit(1, "one for each processor"), is_final
        return Limit(1, too_slow("two", self.speedup(configs[:2]))), is_final

    def at_most(self, members: int, configs: Sequence[TrainConfig], _: int) -> Limit:
        """Return the size that the user chose, or 1 if the trials cannot be trained as one."""
        if len(configs) > 1 and (reason := self._kind(configs).reason):
            return Limit(1, reason)
        return Limit(members)

    def speedup(self, members: Sequence[TrainConfig]) -> float:
        """Return the speedup of a fleet of `members` over training them one after another.

        Raises: MemoryError if they do not fit into the memory.
        """
        counts = Counter(member.optimizer for member in members)
        one_of_each = {member.optimizer: member for member in reversed(members)}
        alone = sum(
            count / self._speed([one_of_each[optimizer]]) for optimizer, count in counts.items()
        )
        return alone * self._speed(members) / len(members)

    def _kind(self, configs: Sequence[TrainConfig]) -> _Kind:
        """Return the facts about the kind of trial that `configs` are, from the first two."""
        names = (*ALIKE, "optimizer", "clip_norm", "dropout")
        settings = [[str(getattr(config, name)) for name in names] for config in configs[:2]]
        key = json.dumps([*settings, metadata.version("torch"), name_of_device(self._use_gpu)])
        kinds = self._measured.kinds
        if key not in kinds:
            known = _Kind.remembered(self._remembered[_KINDS].get(key))
            if known is None:
                reason, weights, lasts = self._prober.kind(configs[:2])
                known = _Kind(reason, weights)
                if lasts and not any(config.names_own_code for config in configs[:2]):
                    self._to_remember[_KINDS][key] = vars(known)
            kinds[key] = known
        return kinds[key]

    def _speed(self, members: Sequence[TrainConfig]) -> float:
        """Return the steps per second of all members together. A single member is timed alone."""
        key = self._key(members)
        speeds = self._measured.speeds
        if key not in speeds:
            known = (self._remembered[_SPEEDS].get(key) or {}).get("speed")
            if not isinstance(known, float) or not 0 < known < math.inf:
                known = self._prober.speed(members)
                if not any(member.names_own_code for member in members):
                    self._to_remember[_SPEEDS][key] = {"speed": known}
            speeds[key] = known
        return speeds[key]

    @property
    def _prober(self) -> FleetProbe:
        """The probe that measures; its first use imports torch and reads the data sets."""
        if self._probe is None:
            from study.cluster.fleet_probe import FleetProbe

            self._probe = FleetProbe(
                self._datasets,
                neighbors=0 if self._use_gpu else self._side_by_side - 1,
                threads=self._threads,
                use_gpu=self._use_gpu,
            )
        return self._probe

    def _fitting(self, configs: Sequence[TrainConfig]) -> int:
        """Return how many members have room for their weights on every processor."""
        memory = self._prober.free_gpu_memory() if self._use_gpu else None
        if memory is None:
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        room = _SHARE_OF_MEMORY * memory / self._side_by_side
        return max(1, math.floor(room / (self._kind(configs).weights * _COPIES_OF_WEIGHTS)))

    def _key(self, members: Sequence[TrainConfig]) -> str:
        """Return the key of a speed in the cache: all that it depends on, in words."""
        config = members[0]
        optimizers = Counter(member.optimizer for member in members)
        orders = len({(member.seed, member.shuffle) for member in members})
        return (
            f"{config.model}, width {config.width}, {dict(config.own)}, {config.loss}, "
            f"{config.dataset}, batch "
            f"{config.batch_size}, {config.train_samples or 'all'} samples, "
            f"{'dropout' if any(m.dropout for m in members) else 'no dropout'}: "
            f"{', '.join(f'{count} {name}' for name, count in sorted(optimizers.items()))}, "
            f"{orders} orders; {name_of_device(self._use_gpu)}, {self._threads} threads, "
            f"{self._side_by_side} side by side; torch {metadata.version('torch')}, "
            f"records version {RECORDS_VERSION}"
        )
