"""Which trials of a plan are trained as one, and how long they take.

Times training steps, but trains no trial and writes nothing to the run.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lenet.config import TrainConfig
from lenet.dataset_files import AnyDataset
from search_spaces.study import PlannedTrial
from study.cluster.estimate import Estimate, FleetShare, estimate, estimate_unknown
from study.cluster.fleet_speed import FleetSpeeds, Measurements
from study.cluster.resources import Resources
from study.cluster.timing import Timing
from study.tuning.packing import FindLimit, Packing, kind_of, pack
from study.tuning.proposal_packing import FEW_POINTS, pack_proposals, points_at_a_time

if TYPE_CHECKING:
    from study.tuning.search import Search

_SAMPLED_POINTS = 200  # random points of a search space: enough to cover most kinds of trial


class FleetPlanner:
    """Packs trials into fleets by their measured speed, and estimates their time.

    Every kind of fleet and every kind of training step is timed once.
    """

    def __init__(self, datasets: Mapping[str, AnyDataset], resources: Resources, mode: str) -> None:
        """Plan for the `resources` of a run. `mode` is what `--pack` says: auto, off or a size."""
        self._datasets = datasets
        self._resources = resources
        self._mode = mode
        self._timed: dict[str, Timing] = {}
        self._measured = Measurements()

    def pack(self, trials: list[PlannedTrial], known: Sequence[PlannedTrial] = ()) -> Packing:
        """Pack new trials into fleets. The `known` trials keep theirs."""
        if self._mode == "off" or not trials:
            return Packing(trials, [])
        speeds = self.speeds([planned.config for planned in trials])
        with speeds.measuring():
            return pack(
                trials,
                self._find_limit(speeds),
                speeds.speedup,
                side_by_side=self._resources.side_by_side,
                must_pay=self._mode == "auto",
                known=known,
            )

    def pack_proposals(self, search: Search) -> Sequence[str]:
        """Choose how `search` packs its proposals; return lines that say what was chosen."""
        if not search.left or self._mode == "off":
            return []
        points = points_at_a_time(search.left, self._resources.side_by_side, learns=search.learns)
        if self._mode != "auto":
            points = int(self._mode)
        if points * search.seeds == 1:
            return [FEW_POINTS if search.learns else "each trial alone: one for each processor"]
        samples = search.samples(_SAMPLED_POINTS)
        speeds = self.speeds(samples)
        with speeds.measuring():
            search.packing = pack_proposals(
                samples,
                self._find_limit(speeds),
                speeds.speedup,
                points=points,
                seeds=search.seeds,
            )
        return search.packing.lines

    def speeds(self, configs: Sequence[TrainConfig]) -> FleetSpeeds:
        """Return the speeds of fleets of these `configs`, measured when they are asked for."""
        return FleetSpeeds(
            self._datasets,
            side_by_side=self._resources.side_by_side,
            threads=self._resources.threads,
            use_gpu=self._on_gpu,
            kinds=len({kind_of(config) for config in configs}),
            measured=self._measured,
        )

    def estimate(self, trials: Sequence[PlannedTrial]) -> Estimate:
        """Estimate how long `trials`, in their fleets or alone, take."""
        return estimate(
            [planned.config for planned in trials],
            self._datasets,
            side_by_side=self._resources.side_by_side,
            threads=self._resources.threads,
            use_gpu=self._on_gpu,
            fleets=self._fleet_shares(trials),
            memory=self._timed,
        )

    def estimate_search(
        self, search: Search, samples: Sequence[TrainConfig], follow_up: int
    ) -> Estimate:
        """Estimate the time of the proposals that `search` has left and of `follow_up` more trials,
        from sampled configs.
        """
        sampled = estimate(
            samples,
            self._datasets,
            side_by_side=self._resources.side_by_side,
            threads=self._resources.threads,
            use_gpu=self._on_gpu,
            fleets={config.id: search.packing.share(config) for config in samples},
            memory=self._timed,
        )
        return estimate_unknown(
            sampled, search.left * search.seeds + follow_up, self._resources.side_by_side
        )

    @property
    def _on_gpu(self) -> bool:
        return self._resources.gpus_per_trial > 0

    def _find_limit(self, speeds: FleetSpeeds) -> FindLimit:
        if self._mode == "auto":
            return speeds.fastest
        return partial(speeds.at_most, int(self._mode))

    def _fleet_shares(self, trials: Sequence[PlannedTrial]) -> dict[str, FleetShare]:
        """Return the fleet share of each packed trial, by the id of its config.

        Only the largest fleet of each kind is timed; its speedup stands for the others.
        """
        fleets: dict[str, list[TrainConfig]] = {}
        for planned in trials:
            if planned.fleet:
                fleets.setdefault(planned.fleet, []).append(planned.config)
        if not fleets:
            return {}
        largest: dict[Hashable, list[TrainConfig]] = {}
        for configs in sorted(fleets.values(), key=len):
            largest[kind_of(configs[0])] = configs
        speeds = self.speeds([planned.config for planned in trials])
        with speeds.measuring():
            speedups = {kind: _speedup(speeds, configs) for kind, configs in largest.items()}
        return {
            config.id: FleetShare(fleet, len(configs), speedups[kind_of(config)])
            for fleet, configs in fleets.items()
            for config in configs
        }


def _speedup(speeds: FleetSpeeds, members: Sequence[TrainConfig]) -> float:
    """Return a fleet's speedup over its members alone; 1 if they do not fit into the memory.

    The driver will divide such a fleet until its members fit, if need be into single trials.
    """
    try:
        return speeds.speedup(members)
    except MemoryError:
        return 1.0
