"""Which trials are trained together as fleets, and why. Trains and writes nothing."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lenet.alike import ALIKE
from lenet.config import ConfigError, TrainConfig
from lenet.registry import is_own
from search_spaces.study import PlannedTrial
from study.cluster.fleet_speed import Limit

RECORDED_ALIKE = ("record_every", "evaluate_at")
"""With these in common, all members record at once again and again, and can be saved then."""

_FLEET = "fleet"


@dataclass(frozen=True)
class Packing:
    """Trials with their fleets, and a line for each kind of trial that says what was chosen."""

    trials: list[PlannedTrial]
    lines: list[str]


FindLimit = Callable[[Sequence[TrainConfig], int], Limit]
"""Takes the configs of one kind of trial, and how many would fill the processors in one fleet
each; returns the limit."""

FindSpeedup = Callable[[Sequence[TrainConfig]], float]
"""Takes the members of a fleet; returns how many times as fast it is as its members one after the
other. Raises: MemoryError if they do not fit into the memory."""


class FleetTooLarge(ConfigError):
    """A fleet does not fit into the memory."""


def pack(
    trials: Sequence[PlannedTrial],
    find_limit: FindLimit,
    find_speedup: FindSpeedup,
    *,
    side_by_side: int,
    known: Sequence[PlannedTrial] = (),
) -> Packing:
    """Put `trials` into fleets, enough of them to keep `side_by_side` processors busy.

    Members are neighbors in the plan, whose outermost loop is the seed: trials of one seed share
    batches. The names of fleets continue those of the `known` trials.

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
    counts = _counts(
        {kind: len(group) for kind, group in groups.items()},
        {kind: limit.members for kind, limit in limits.items()},
        side_by_side,
    )
    names = FleetNames(known)
    packed: dict[str, PlannedTrial] = {}
    lines = []
    alike: dict[str, list[TrainConfig]] = {}
    for group in groups.values():
        alike.setdefault(_name(group[0].config), []).append(group[0].config)
    for kind, group in groups.items():
        chunks = even_chunks(group, counts[kind])
        for chunk in chunks:
            packed |= {planned.name: planned for planned in as_fleet(chunk, names)}
        reason = limits[kind].reason
        largest = [planned.config for planned in max(chunks, key=len)]
        if len(largest) > 1:
            reason = f"{speedup_of(largest, find_speedup):.1f} times as fast as alone"
        name = _name(group[0].config)
        name += _own_keywords(group[0].config, alike[name])
        lines.append(f"{name}: {_fleets(chunks)}{reason}")
    return Packing([packed[planned.name] for planned in trials], lines)


def speedup_of(members: Sequence[TrainConfig], find_speedup: FindSpeedup) -> float:
    """Return what `find_speedup` finds. Raises: FleetTooLarge instead of MemoryError."""
    try:
        return find_speedup(members)
    except MemoryError as error:
        raise FleetTooLarge(
            f"fleets of {len(members)} {members[0].model} do not fit into the memory: use a "
            "smaller --pack N, or --pack auto"
        ) from error


class FleetNames(Iterator[str]):
    """Names of new fleets, without end. Unlike a generator, it can be pickled, as Tune does."""

    def __init__(self, known: Iterable[PlannedTrial]) -> None:
        """Continue the names of the fleets of the `known` trials."""
        numbers = [int(planned.fleet.removeprefix(_FLEET)) for planned in known if planned.fleet]
        self._last = max(numbers, default=0)

    def __next__(self) -> str:
        self._last += 1
        return f"{_FLEET}{self._last}"


def as_fleet(trials: Sequence[PlannedTrial], names: Iterator[str]) -> list[PlannedTrial]:
    """Return `trials` as the members of a new fleet, in the order of its slots; one stays alone."""
    if len(trials) == 1:
        return [dataclasses.replace(trials[0], fleet="", slot=0)]
    fleet = next(names)
    return [dataclasses.replace(p, fleet=fleet, slot=slot) for slot, p in enumerate(trials)]


def kind_of(config: TrainConfig) -> Hashable:
    """Return what trials of one fleet have in common."""
    # What cannot be stacked must not keep others of its kind from being packed.
    cannot_be_stacked = is_own(config.optimizer) or config.clip_norm is not None
    return (cannot_be_stacked, *(getattr(config, name) for name in (*ALIKE, *RECORDED_ALIKE)))


def _counts(
    sizes: dict[Hashable, int], limits: dict[Hashable, int], side_by_side: int
) -> dict[Hashable, int]:
    """Return into how many fleets each kind of trial is divided.

    If a few fleets are left over after every processor has had as many as the others, the largest
    are divided further, so that none is waited for.
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
    """Return what the line of a kind of trial calls it."""
    every = f", a record every {config.record_every} steps" if config.record_every else ""
    return f"{config.model}, batch {config.batch_size}{every}"


def _own_keywords(config: TrainConfig, alike: Sequence[TrainConfig]) -> str:
    """Return those keywords of the user's own that tell a kind of trial from others `alike`."""
    names = dict.fromkeys(name for other in alike for name, _ in other.own)
    differing = [name for name in names if len({other.get(name) for other in alike}) > 1]
    return "".join(f", {name} {config.get(name)}" for name in differing)


def _fleets(chunks: Sequence[Sequence[PlannedTrial]]) -> str:
    """Return how many fleets of how many trials there are."""
    largest, total = max(map(len, chunks)), sum(map(len, chunks))
    if largest == 1:
        return f"{total} alone; "
    if len(chunks) == 1:
        return f"1 fleet of {largest}, "
    smallest = min(map(len, chunks))
    of = f"{largest}" if smallest == largest else f"{smallest} to {largest}"
    return f"{len(chunks)} fleets of {of}, "
