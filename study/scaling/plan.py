"""What a scaling run trains: points, and the launches that share their workers.

Imports neither torch nor Ray, so that requests are validated without waiting for them to load.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import ConfigError
from search_spaces.hardware import SERIAL
from search_spaces.kept import is_own
from search_spaces.study import PlannedTrial, Study
from study.request import incomplete_options
from study.runs.metadata import RunMetadata
from study.runs.run_folder import RunFolder

TOOL = "study.scaling"
PROCESSORS = ("cpu", "gpu")

_ORDER_SEED = 20_261_123


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Workers that start together and train several points one after another.

    Starting workers takes longer than training a small net.
    """

    launcher: str
    processor: str
    workers: int
    strategy: str
    repeat: int
    points: tuple[PlannedTrial, ...]

    @property
    def name(self) -> str:
        return f"{self.launcher}-{self.workers}{self.processor}-{self.strategy}-repeat{self.repeat}"


@dataclass(frozen=True, kw_only=True)
class ScalingRequest:
    """The user's request for a scaling run, as `run.json` holds it."""

    study: str
    budget: str
    repeats: int
    choices: Mapping[str, Sequence[str]]
    workers: Mapping[str, Sequence[int]]
    """worker counts to compare, by processor"""
    weak: bool
    """also train with the batch per worker fixed (weak scaling)"""
    launchers: Sequence[str]
    strategies: Sequence[str]
    """of `STRATEGIES`: how several workers share a step"""
    cpus_per_worker: float
    placement: str
    cpus_beside_gpus: float | None = None
    """CPUs of the single CPU worker that GPUs are compared with; None: a whole machine's"""

    @classmethod
    def of_run(cls, run: RunMetadata) -> ScalingRequest:
        """Read the request that began a run. Raises: ConfigError if its options do not fit."""
        try:
            return cls(
                study=run.study,
                budget=run.budget,
                repeats=run.seeds,
                choices=run.choices,
                **run.options,
            )
        except TypeError as error:
            raise incomplete_options(error) from error

    def options_to_json(self) -> dict[str, Any]:
        """Return the options that a resumed run needs and no other field of `run.json` holds."""
        return {
            "workers": {processor: list(counts) for processor, counts in self.workers.items()},
            "weak": self.weak,
            "launchers": list(self.launchers),
            "strategies": list(self.strategies),
            "cpus_per_worker": self.cpus_per_worker,
            "cpus_beside_gpus": self.cpus_beside_gpus,
            "placement": self.placement,
        }

    def restricted_study(self) -> Study:
        """Return the study with the user's choices.

        Raises: ConfigError if the study does not compare worker counts.
        """
        study = search_spaces.find(self.study)
        if not study.workers and not is_own(self.study):
            alternatives = [s.name for s in search_spaces.studies().values() if s.workers]
            raise ConfigError(
                f"{study.name} does not compare worker counts: type python -m study.grid "
                f"{study.name}, or use {' or '.join(alternatives)}"
            )
        return study.with_choices(self.choices)

    @property
    def has_dropout(self) -> bool:
        """Whether any point has dropout."""
        planned = self.restricted_study().plan(self.budget, self.repeats)
        return any(p.config.dropout > 0 for p in planned)

    def cpus_of(self, processor: str) -> float:
        """Return the CPUs, and so the threads, of each worker on `processor`."""
        beside_gpus = processor == "cpu" and "gpu" in self.workers
        return (beside_gpus and self.cpus_beside_gpus) or self.cpus_per_worker

    def launches(self, dataset: str | None = None) -> list[Launch]:
        """Return the launches in the order in which they run.

        `dataset` replaces the study's own. Each repeat has its own seed, and is a block that holds
        every launch once, in random order. A drift of the machine's speed thus affects all launches
        alike. The order is the same every time.

        The baselines (every launcher except Ray) train only the narrowest net with the study's
        batch, in a fresh process. Ray's workers train those points first. Otherwise the slowness of
        a fresh process would count as the cost of a launcher or of a worker count.
        """
        study = self.restricted_study()
        planned = study.plan(self.budget, self.repeats, dataset)
        narrowest = min(p.config.width for p in planned)
        draws = random.Random(_ORDER_SEED)
        launches = []
        for repeat in range(self.repeats):
            bases = [p for p in planned if p.config.seed == repeat]
            baseline = [p for p in bases if p.config.width == narrowest]
            first = list(baseline)
            draws.shuffle(first)
            position = {point.config.id: i for i, point in enumerate(first)}
            block = []
            for launcher, processor, workers, strategy in self._launch_kinds():
                points = self._points(
                    study,
                    bases if launcher == "ray" else baseline,
                    launcher,
                    f"{launcher}_{workers}{processor}_{strategy}",
                    workers,
                )
                draws.shuffle(points)
                points.sort(key=lambda p: position.get(p.config.id, len(position)))
                block.append(
                    Launch(
                        launcher=launcher,
                        processor=processor,
                        workers=workers,
                        strategy=strategy,
                        repeat=repeat,
                        points=tuple(points),
                    )
                )
            draws.shuffle(block)
            launches += block
        return launches

    def _launch_kinds(self) -> Iterator[tuple[str, str, int, str]]:
        """Yield (launcher, processor, workers, strategy) of each launch in a block."""
        for processor, counts in self.workers.items():
            for workers in counts:
                for launcher in self.launchers:
                    if workers == 1:
                        yield launcher, processor, workers, SERIAL
                        continue
                    for strategy in self.strategies:
                        # A plain process is the only one that drives several GPUs.
                        if (strategy == "dp") == (launcher == "plain"):
                            yield launcher, processor, workers, strategy

    def _points(
        self,
        study: Study,
        bases: Sequence[PlannedTrial],
        launcher: str,
        prefix: str,
        workers: int,
    ) -> list[PlannedTrial]:
        """Return the distinct points of one launch, in the order of the plan."""
        configs = []
        for base in bases:
            configs.append(base.config)
            if self.weak and workers > 1 and launcher == "ray":
                configs.append(base.config.replace(batch_size=base.config.batch_size * workers))
        named = {f"{prefix}_{study.trial_name(config)}": config for config in configs}
        return [PlannedTrial(name=name, config=config) for name, config in named.items()]


@dataclass(frozen=True, kw_only=True)
class ScalingSession:
    """A scaling run, new or resumed, as the user typed it."""

    request: ScalingRequest
    folder: RunFolder
    resumed: bool = False
    data_dir: Path | None = None
    address: str | None = None
    autoscale: bool = False
    """the cluster adds the machines that it lacks"""
    oversubscribe: bool = False
    """CPU workers may share CPUs"""
    counts: Sequence[int] | None = None
    """worker counts, as typed"""
    devices: Sequence[str] | None = None
    """as typed"""
    command: Sequence[str] = ()
    """the words of the command that began the session"""
