"""Predicted times of a grid for each way to use the hardware. Trains nothing."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lenet.config import ConfigError, TrainConfig
from lenet.dataset_files import AnyDataset, split_sizes
from lenet.registry import OWN_PARTS, is_own
from search_spaces.study import PlannedTrial
from study.analysis.hardware import (
    PACKED,
    SIDE_BY_SIDE,
    WORKERS,
    Choice,
    Hardware,
    Step,
    UnknownSpeedup,
    WorkerSpeedups,
    over_repeats,
)
from study.analysis.wording import pluralize
from study.cluster.estimate import Estimate, estimate, side_by_side_seconds
from study.cluster.fleet_speed import FleetSpeeds
from study.cluster.resources import Node, Resources
from study.tuning.packing import FindLimit, FleetTooLarge, pack


@dataclass(frozen=True, kw_only=True)
class HardwareComparison:
    """A comparison of the ways to train `trials` on the machines of this run or on another."""

    trials: Sequence[PlannedTrial]
    """with the fleets that the run has chosen"""
    datasets: Mapping[str, AnyDataset]
    nodes: Sequence[Node]
    """the machines that the times are for"""
    resources: Resources
    """what `nodes` give to each trial"""
    is_here: bool
    """False if the times are for another machine than the one that steps are timed on"""
    why_not_packed: str
    """empty, or why trials are not packed"""
    speeds: FleetSpeeds
    estimate_trials: Callable[[Sequence[PlannedTrial]], Estimate]
    speedups: WorkerSpeedups | None
    """of the scaling run that the user named"""

    def hardware(self) -> Hardware:
        """Return the three choices with their times."""
        alone = [replace(planned, fleet="", slot=0) for planned in self.trials]
        return Hardware(
            machine=self._machine(),
            trials=len(self.trials),
            choices=(self._side_by_side(alone), self._packed(alone), self._workers()),
            basis=self._basis(),
        )

    def _machine(self) -> str:
        gpus, cpus = (sum(getattr(node, name) for node in self.nodes) for name in ("gpus", "cpus"))
        cores = f"{cpus:g} CPU {'core' if cpus == 1 else 'cores'}"
        if not self.resources.gpus_per_trial:
            return cores
        return f"{gpus:g} {'GPU' if gpus == 1 else 'GPUs'}, {cores}"

    def _basis(self) -> str:
        text = "Times of training, without the start of Ray and the report (about 40 s). Based on "
        text += "training steps and fleets timed on this machine"
        if self.is_here:
            return f"{text}."
        return f"{text}: those of another may be faster or slower."

    def _side_by_side(self, alone: Sequence[PlannedTrial]) -> Choice:
        at_once = min(self.resources.side_by_side, len(alone))
        where = pluralize(self.resources.threads, "thread")
        if self.resources.gpus_per_trial:
            where = f"{self.resources.gpus_per_trial:g} GPU"
        return Choice(
            SIDE_BY_SIDE,
            f"{at_once} at once, each on {where}",
            self._seconds(alone),
            is_chosen=self.is_here and not any(planned.fleet for planned in self.trials),
        )

    def _packed(self, alone: list[PlannedTrial]) -> Choice:
        if self.why_not_packed:
            return Choice(PACKED, "fleets", None, missing=self.why_not_packed)
        packed, is_chosen = list(self.trials), self.is_here
        if not self.is_here or not any(planned.fleet for planned in packed):
            packed, is_chosen = self._pack(alone, self.speeds.fastest, must_pay=True), False
        if not any(planned.fleet for planned in packed):
            # To show why the run does not pack: fleets of two lose least against single trials.
            with contextlib.suppress(FleetTooLarge):
                packed = self._pack(alone, partial(self.speeds.at_most, 2))
        fleets: dict[str, int] = {}
        for planned in packed:
            if planned.fleet:
                fleets[planned.fleet] = fleets.get(planned.fleet, 0) + 1
        if not fleets:
            missing = "no two of these trials can share one: see `fleets` above"
            return Choice(PACKED, "fleets", None, missing=missing)
        sizes = sorted({min(fleets.values()), max(fleets.values())})
        how = f"{pluralize(len(fleets), 'fleet')} of {' to '.join(map(str, sizes))}"
        if single := len(packed) - sum(fleets.values()):
            how += f" and {single} alone"
        at_once = min(self.resources.side_by_side, len(fleets) + single)
        return Choice(
            PACKED, f"{how}, {at_once} at once", self._seconds(packed), is_chosen=is_chosen
        )

    def _pack(
        self, alone: list[PlannedTrial], find_limit: FindLimit, *, must_pay: bool = False
    ) -> list[PlannedTrial]:
        with self.speeds.measuring():
            return pack(
                alone,
                find_limit,
                self.speeds.speedup,
                side_by_side=self.resources.side_by_side,
                must_pay=must_pay,
            ).trials

    def _seconds(self, trials: Sequence[PlannedTrial]) -> float:
        expected = self.estimate_trials(trials).trial_seconds
        units: dict[str, float] = {}
        for planned in trials:
            unit = planned.fleet or planned.name
            units[unit] = units.get(unit, 0.0) + expected[planned.config.id]
        return side_by_side_seconds(units.values(), self.resources.side_by_side)

    def _workers(self) -> Choice:
        workers = self._worker_count()
        how = f"each trial on {pluralize(workers, 'worker')}, one trial after the other"
        if workers == 1:
            return Choice(WORKERS, how, None, missing="one worker is no choice")
        if self.speedups is None:
            return Choice(WORKERS, how, None, missing=self._how_to_measure(workers))
        try:
            seconds = over_repeats(self._seconds_by_repeat(self.speedups, workers))
        except UnknownSpeedup as problem:
            return Choice(WORKERS, how, None, missing=f"unknown: {problem}")
        low, high = (None if bound != bound else bound for bound in (seconds.low, seconds.high))
        how += f"; {self.speedups.describe(workers)}"
        return Choice(WORKERS, how, seconds.mean, low, high)

    def _worker_count(self) -> int:
        """Return how many workers fit the machines: each takes a GPU, or the CPUs of a trial."""
        if self.resources.gpus_per_trial:
            return max(1, int(sum(node.gpus for node in self.nodes)))
        return max(1, sum(int(node.cpus / self.resources.threads) for node in self.nodes))

    def _how_to_measure(self, workers: int) -> str:
        configs = [planned.config for planned in self.trials]
        first = configs[0]
        batches = sorted({config.batch_size for config in configs})
        if len(batches) == 1:
            (batch,) = batches
            batches = [batch, 2 * batch] if batch == 1 else [batch // 2, batch]
        settings = {
            "model": first.model,
            "dataset": first.dataset,
            "loss": first.loss,
            "batch_size": ",".join(map(str, batches)),
        }
        defaults = {"model": "lenet", "dataset": "mnist", "loss": TrainConfig().loss}
        settings = {n: value for n, value in settings.items() if value != defaults.get(n)}
        # The keywords added below belong to the user's own parts, so the command must name these.
        settings |= {part: first.get(part) for part in OWN_PARTS if is_own(first.get(part))}
        settings |= {
            name: "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for name, value in first.own
        }
        typed = ["python", "-m", "study.scaling", "--workers", f"1,{workers}", "--launchers", "ray"]
        widths = sorted({config.width for config in configs})
        if widths != [1]:
            typed += ["--widths", ",".join(map(str, widths))]
        typed += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        typed += ["--repeats", "3"]
        return f"not measured: type {shlex.join(typed)}, then add --scaling RUN here"

    def _seconds_by_repeat(self, speedups: WorkerSpeedups, workers: int) -> list[float]:
        """Predict the seconds of all trials, one after another, by the fitted model of each repeat.

        Raises: UnknownSpeedup if the scaling run cannot tell.
        """
        processor = "gpu" if self.resources.gpus_per_trial else "cpu"
        if speedups.processor != processor:
            raise UnknownSpeedup(f"{speedups.name} measured {speedups.processor} workers")
        if len(self.nodes) > 1:
            raise UnknownSpeedup(
                f"{speedups.name} does not tell how long messages between these machines take"
            )
        configs = [planned.config for planned in self.trials]
        for name, measured in (("model", speedups.models), ("dataset", speedups.datasets)):
            if others := {getattr(config, name) for config in configs} - measured:
                raise UnknownSpeedup(
                    f"{speedups.name} measured {', '.join(sorted(measured))}, not "
                    f"{', '.join(sorted(others))}"
                )
        alone = estimate(
            configs,
            self.datasets,
            side_by_side=1,
            threads=self.resources.threads,
            use_gpu=processor == "gpu",
        )
        by_step: dict[Step, float] = {}
        rest = 0.0
        sizes: dict[object, float] = {}
        for config in configs:
            step = self._step(config, sizes)
            by_step[step] = by_step.get(step, 0.0) + alone.step_seconds[config.id]
            rest += alone.trial_seconds[config.id] - alone.step_seconds[config.id]
        totals = [rest] * len(speedups.fitted.models)
        for step, seconds in by_step.items():
            for repeat, speedup in enumerate(speedups.per_repeat(workers, step)):
                totals[repeat] += seconds / speedup
        return totals

    def _step(self, config: TrainConfig, sizes: dict[object, float]) -> Step:
        """Return the workload of a step; `sizes` remembers the bytes of the nets seen so far."""
        dataset = self.datasets[config.dataset]
        net = (config.model, config.width, config.dataset)
        if net not in sizes:
            from study.cluster.step_probe import short_run  # imports torch

            model = short_run(config, dataset.load()).model
            sizes[net] = float(sum(p.numel() * p.element_size() for p in model.parameters()))
        training, _ = split_sizes(dataset.name, dataset.sizes[0], config)
        batch = min(config.batch_size, training)
        return Step(batch, config.width, sizes[net])


def other_machine(cores: int | None, gpus: int | None, here: Node) -> Node | None:
    """Return the machine that the user asked about, None if it is this one.

    Raises: ConfigError if its GPUs cannot be timed here.
    """
    if cores is None and gpus is None:
        return None
    if gpus and not here.gpus:
        raise ConfigError(
            f"--gpus {gpus} needs a GPU on this machine, on which steps are timed: type the "
            "command on a machine with one, or --cores N"
        )
    return Node(here.cpus if cores is None else cores, here.gpus if gpus is None else gpus)
