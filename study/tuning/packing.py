"""Packing: which trials are trained together as fleets, and why. Trains and writes nothing."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lenet.alike import ALIKE
from lenet.config import ConfigError, TrainConfig
from lenet.registry import is_own
from search_spaces.study import PlannedTrial
from study.cluster.fleet_speed import PAYS, Limit, too_slow

RECORDED_ALIKE = ("record_every", "evaluate_at")
"""Settings that members share, so that all record at the same steps and can be saved then."""

_FLEET = "fleet"


@dataclass(frozen=True)
class Packing:
    """Trials with their fleets, and a line for each kind of trial that says what was chosen."""

    trials: list[PlannedTrial]
    lines: list[str]


FindLimit = Callable[[Sequence[TrainConfig], int], Limit]
"""Takes the configs of one kind of trial, and the fleet size at which every processor has one
fleet; returns the limit."""

FindSpeedup = Callable[[Sequence[TrainConfig]], float]
"""Takes the members of a fleet; returns its speedup over training them one after another.
Raises: MemoryError if they do not fit into the memory."""


class FleetTooLarge(ConfigError):
    """A fleet does not fit into the memory."""


def pack(
    trials: Sequence[PlannedTrial],
    find_limit: FindLimit,
    find_speedup: FindSpeedup,
    *,
    side_by_side: int,
    must_pay: bool = False,
    known: Sequence[PlannedTrial] = (),
) -> Packing:
    """Put `trials` into fleets, enough of them to keep `side_by_side` processors busy.

    The members of a fleet are neighbors in the plan. Its outermost loop is the seed, and trials of
    one seed share batches. If fleets `must_pay`, the trials of those that are less than `PAYS`
    times as fast stay alone. New fleets continue the numbering of the `known` trials' fleets.

    Raises: FleetTooLarge if a fleet does not fit into the memory.
    """
    groups: dict[Hashable, list[PlannedTrial]] = {}
    for planned in trials:
        groups.setdefault(kind_of(planned.config), []).append(planned)
    at_least = -(-side_by_side // max(1, len(groups)))  # fleets of each kind
    limits = {
        kind: find_limit([planned.config for planned in group], -(-len(group) // at_least))
        for kind, group in groups.items()
    }
    while True:
        chunks = _chunks(groups, limits, side_by_side)
        speedups = {
            kind: speedup_of([planned.config for planned in max(of_kind, key=len)], find_speedup)
            for kind, of_kind in chunks.items()
            if len(of_kind) < len(groups[kind])
        }
        slow = {kind: speedup for kind, speedup in speedups.items() if speedup < PAYS}
        if not (slow and must_pay):
            break
        # The limit was measured with fleets of other sizes.
        for kind, speedup in slow.items():
            limits[kind] = Limit(1, too_slow(str(max(map(len, chunks[kind]))), speedup))
    names = FleetNames(known)
    packed: dict[str, PlannedTrial] = {}
    lines = []
    alike: dict[str, list[TrainConfig]] = {}
    for group in groups.values():
        alike.setdefault(_name(group[0].config), []).append(group[0].config)
    for kind, group in groups.items():
        for chunk in chunks[kind]:
            packed |= {planned.name: planned for planned in as_fleet(chunk, names)}
        reason = limits[kind].reason
        if kind in speedups:
            reason = f"{speedups[kind]:.1f} times as fast as alone"
        name = _name(group[0].config)
        name += _own_keywords(group[0].config, alike[name])
        lines.append(f"{name}: {_fleets(chunks[kind])}{reason}")
    return Packing([packed[planned.name] for planned in trials], lines)


def speedup_of(members: Sequence[TrainConfig], find_speedup: FindSpeedup) -> float:
    """Return the speedup by `find_speedup`. Raises: FleetTooLarge instead of MemoryError."""
    try:
        return find_speedup(members)
    except MemoryError as error:
        raise FleetTooLarge(
            f"fleets of {len(members)} {members[0].model} do not fit into the memory: use a "
            "smaller --pack N, or --pack auto"
        ) from error


class FleetNames(Iterator[str]):
    """An endless iterator of names for new fleets. Tune pickles it, which rules out a generator."""

    def __init__(self, known: Iterable[PlannedTrial]) -> None:
        """Continue the names of the fleets of the `known` trials."""
        numbers = [int(planned.fleet.removeprefix(_FLEET)) for planned in known if planned.fleet]
        self._last = max(numbers, default=0)

    def __next__(self) -> str:
        self._last += 1
        return f"{_FLEET}{self._last}"


def as_fleet(trials: Sequence[PlannedTrial], names: Iterator[str]) -> list[PlannedTrial]:
    """Return `trials` as members of a new fleet, in slot order. A single trial stays alone."""
    if len(trials) == 1:
        return [dataclasses.replace(trials[0], fleet="", slot=0)]
    fleet = next(names)
    return [dataclasses.replace(p, fleet=fleet, slot=slot) for slot, p in enumerate(trials)]


def kind_of(config: TrainConfig) -> Hashable:
    """Return what trials of one fleet have in common."""
    # A trial that cannot be stacked must not keep others of its kind from being packed.
    cannot_be_stacked = is_own(config.optimizer) or config.clip_norm is not None
    return (cannot_be_stacked, *(getattr(config, name) for name in (*ALIKE, *RECORDED_ALIKE)))


def _chunks(
    groups: dict[Hashable, list[PlannedTrial]], limits: dict[Hashable, Limit], side_by_side: int
) -> dict[Hashable, list[Sequence[PlannedTrial]]]:
    """Return the trials of each fleet by kind, as many fleets as `_counts` says."""
    counts = _counts(
        {kind: len(group) for kind, group in groups.items()},
        {kind: limit.members for kind, limit in limits.items()},
        side_by_side,
    )
    return {kind: even_chunks(group, counts[kind]) for kind, group in groups.items()}


def _counts(
    sizes: dict[Hashable, int], limits: dict[Hashable, int], side_by_side: int
) -> dict[Hashable, int]:
    """Return the number of fleets for each kind of trial.

    If the fleets do not divide evenly among the processors, the largest are divided further, so
    that no processor waits for another.
    """
    counts = {kind: -(-size // max(1, limits[kind])) for kind, size in sizes.items()}

    def members(kind: Hashable) -> float:
        return sizes[kind] / counts[kind]

    while sum(counts.values()) % side_by_side:
        largest = max(sizes, key=members)
        if members(largest) < 2:
            break
        counts[largest] += 1
    return counts


def even_chunks(group: Sequence[PlannedTrial], count: int) -> list[Sequence[PlannedTrial]]:
    """Divide `group` into `count` runs of neighbors whose lengths differ by at most one."""
    bounds = [len(group) * n // count for n in range(count + 1)]
    return [group[start:stop] for start, stop in itertools.pairwise(bounds)]


def _name(config: TrainConfig) -> str:
    """Return the name of a kind of trial in its line."""
    every = ""
    if config.record_every:
        steps = "step" if config.record_every == 1 else f"{config.record_every} steps"
        every = f", a record every {steps}"
    return f"{config.model}, batch {config.batch_size}{every}"


def _own_keywords(config: TrainConfig, alike: Sequence[TrainConfig]) -> str:
    """Return the values of `config` for the user's own keywords in which `alike` differ."""
    names = dict.fromkeys(name for other in alike for name, _ in other.own)
    differing = [name for name in names if len({other.get(name) for other in alike}) > 1]
    own = dict(config.own)
    return "".join(f", {name} {own[name]}" for name in differing if name in own)


def _fleets(chunks: Sequence[Sequence[PlannedTrial]]) -> str:
    """Describe how many fleets there are, and of how many trials."""
    largest, total = max(map(len, chunks)), sum(map(len, chunks))
    if largest == 1:
        return f"{total} alone; "
    if len(chunks) == 1:
        return f"1 fleet of {largest}, "
    smallest = min(map(len, chunks))
    of = f"{largest}" if smallest == largest else f"{smallest} to {largest}"
    return f"{len(chunks)} fleets of {of}, "
