"""How many points a search proposes at a time, to train as a fleet. Trains and writes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lenet.alike import ALIKE
from lenet.config import TrainConfig
from search_spaces.space import Space
from study.cluster.estimate import FleetShare
from study.cluster.fleet_speed import Limit
from study.tuning.packing import RECORDED_ALIKE, FindLimit, FindSpeedup, kind_of, speedup_of

_ROUNDS = 8
"""The minimum number of fleets that a learning sampler proposes one after another, so that later
fleets use the results of earlier ones."""

FEW_POINTS = "each trial alone: too few for a sampler to learn from fleets"


@dataclass(frozen=True)
class ProposalPacking:
    """The rule that turns a search's proposals into fleets. By default, each is trained alone."""

    points: int = 1
    """the maximum number of points to propose at a time"""
    members: Mapping[Hashable, int] = field(default_factory=dict)
    """the maximum size of a fleet of each kind of trial; trials of other kinds are trained alone"""
    speedups: Mapping[Hashable, float] = field(default_factory=dict)
    """speedup of such a fleet over training its members one after another"""
    lines: Sequence[str] = ()
    """what was chosen and why, for the announcement"""

    def limit(self, config: TrainConfig) -> int:
        """Return the maximum size of a fleet of trials like `config`."""
        return self.members.get(kind_of(config), 1)

    def points_like(self, config: TrainConfig, seeds: int) -> int:
        """Return how many points like `config` to propose at a time, each with `seeds` seeds."""
        return max(1, min(self.points, self.limit(config) // seeds))

    def share(self, config: TrainConfig) -> FleetShare:
        """Return the share of a trial in its fleet, to estimate its duration."""
        speedup = self.speedups.get(kind_of(config), 1.0)
        return FleetShare(config.id, self.limit(config), speedup)


def points_at_a_time(trials: int, side_by_side: int, *, learns: bool) -> int:
    """Return the maximum number of points per fleet, for when the user has not set one.

    `learns`: the sampler's proposals depend on the results of earlier points.
    """
    return max(1, trials // max(_ROUNDS, side_by_side) if learns else -(-trials // side_by_side))


def pack_proposals(
    samples: Sequence[TrainConfig],
    find_limit: FindLimit,
    find_speedup: FindSpeedup,
    *,
    points: int,
    seeds: int,
) -> ProposalPacking:
    """Choose the size of fleets for each kind of trial among `samples` of a search space.

    Each point is trained with `seeds` seeds. `find_limit` and `find_speedup` are as in
    `study.tuning.packing.pack`. If fleets do not pay off at one batch size, larger ones are not
    measured: an operation then computes more, so the cost of launching it weighs less.

    Raises: FleetTooLarge if a fleet does not fit into the memory.
    """
    groups: dict[Hashable, list[TrainConfig]] = {}
    for config in sorted(samples, key=lambda config: config.batch_size):
        groups.setdefault(kind_of(config), []).append(config)
    members: dict[Hashable, int] = {}
    speedups: dict[Hashable, float] = {}
    alone: dict[Hashable, Limit] = {}
    lines: dict[tuple[str, str], list[int]] = {}
    for kind, group in groups.items():
        fleet = [
            config.replace(seed=seed)
            for config in itertools.islice(itertools.cycle(group), points)
            for seed in range(seeds)
        ]
        architecture = kind_of(group[0].replace(batch_size=1))
        limit = alone.get(architecture) or find_limit(fleet, len(fleet))
        largest = fleet[: limit.members]
        if len(largest) > 1:
            members[kind], speedups[kind] = len(largest), speedup_of(largest, find_speedup)
            text = f"up to {len(largest)} at a time, {speedups[kind]:.1f} times as fast as alone"
        else:
            alone[architecture] = limit
            text = f"each alone; {limit.reason}"
        lines.setdefault((group[0].model, text), []).append(group[0].batch_size)
    return ProposalPacking(
        points,
        members,
        speedups,
        [
            f"{model}, batch {', '.join(map(str, dict.fromkeys(sizes)))}: {text}"
            for (model, text), sizes in lines.items()
        ],
    )


def values_of_kind(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `values` of a point that decide which other points can share its fleet."""
    deciding = {*ALIKE, *RECORDED_ALIKE, "clip_norm"}
    names = [dimension.setting for dimension in space]
    # Keywords of the user's own parts have a dot in their names.
    return {n: values[n] for n in names if n in values and (n in deciding or "." in n)}
