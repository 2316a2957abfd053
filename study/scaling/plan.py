"""What a scaling run trains, where: points, and the launches they share. Neither torch nor Ray,
so that it is checked at once."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import ConfigError
from search_spaces.study import Planned, Study
from study.cluster.connection import Node
from study.runs.run_folder import RunFolder

TOOL = "study.scaling"
PROCESSORS = ("cpu", "gpu")

_ORDER_SEED = 20_261_123


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Workers that are started together, and the points they train one after the other: starting
    takes longer than training a small net."""

    launcher: str
    processor: str
    workers: int
    repeat: int
    points: tuple[Planned, ...]

    @property
    def name(self) -> str:
        return f"{self.launcher}-{self.workers}{self.processor}-repeat{self.repeat}"


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What was asked for, complete: as it lies in `run.json`."""

    study: str
    budget: str
    repeats: int
    choices: Mapping[str, Sequence[str]]
    workers: Mapping[str, Sequence[int]]
    """the numbers to compare, by processor"""
    weak: bool
    """also keep the batch per worker, so that the whole batch grows with the workers"""
    launchers: Sequence[str]
    cpus_per_worker: float
    placement: str
    cpus_beside_gpus: float | None = None
    """CPUs of the one worker on the CPU that GPUs are compared with; None until `placed`: all of a
    machine"""

    def launches(self, dataset: str | None = None) -> list[Launch]:
        """The launches in the order in which they run, on `dataset` instead of the study's own
        if it is given.

        Each repeat, which is a seed, is a block that has every launch once, in random order, so
        that what changes on the machine over time falls on all alike. The order is the same each
        time. The baselines, all launchers but Ray, train the narrowest net with the study's own
        batch alone, in a process that has trained nothing before. Beside them Ray's workers begin
        with that, too, before all else in random order: otherwise the slowness of a fresh process
        would be counted as the cost of its launcher, or of its number of workers. The plain
        process is of one worker; "dataparallel", one
        process that drives several GPUs (`torch.nn.DataParallel`), of GPUs alone, and without
        dropout, whose masks it cannot draw.
        """
        study = self.of_study()
        planned = study.plan(self.budget, self.repeats, dataset)
        narrowest = min(p.config.width for p in planned)
        draws = random.Random(_ORDER_SEED)
        launches = []
        for repeat in range(self.repeats):
            block = []
            first = [p for p in planned if p.config.width == narrowest and p.config.seed == repeat]
            draws.shuffle(first)
            place = {point.config.id: i for i, point in enumerate(first)}
            for processor, counts in self.workers.items():
                for workers in counts:
                    for launcher in self.launchers:
                        if not _trains(launcher, processor, workers):
                            continue
                        points = [
                            _named(study, launcher, processor, workers, point)
                            for base in planned
                            if base.config.seed == repeat
                            and (launcher == "ray" or base.config.width == narrowest)
                            and (launcher != "dataparallel" or not base.config.dropout)
                            for point in self._scaled(base, workers, launcher)
                        ]
                        if not points:
                            continue
                        distinct = list({point.name: point for point in points}.values())
                        draws.shuffle(distinct)
                        distinct.sort(key=lambda p: place.get(p.config.id, len(place)))
                        block.append(
                            Launch(
                                launcher=launcher,
                                processor=processor,
                                workers=workers,
                                repeat=repeat,
                                points=tuple(distinct),
                            )
                        )
            draws.shuffle(block)
            launches += block
        return launches

    def _scaled(self, base: Planned, workers: int, launcher: str) -> list[Planned]:
        weak = self.weak and workers > 1 and launcher == "ray"
        grown = base.config.replace(batch_size=base.config.batch_size * workers)
        return [base, *([Planned(name=base.name, config=grown)] if weak else [])]

    @property
    def drops(self) -> bool:
        """Whether any run has dropout."""
        planned = self.of_study().plan(self.budget, self.repeats)
        return any(p.config.dropout > 0 for p in planned)

    def cpus_of(self, processor: str) -> float:
        """The CPUs of each worker on `processor`, of which it has as many threads."""
        beside_gpus = processor == "cpu" and "gpu" in self.workers
        return (beside_gpus and self.cpus_beside_gpus) or self.cpus_per_worker

    def of_study(self) -> Study:
        """The study with the choices made; raises `ConfigError` if it compares no workers."""
        study = search_spaces.find(self.study)
        if not study.workers:
            known = [name for name, found in search_spaces.studies().items() if found.workers]
            raise ConfigError(
                f"{study.name} compares no numbers of workers: type python -m study.grid "
                f"{study.name}, or use {' or '.join(known)}"
            )
        return study.narrowed(self.choices)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A scaling run, new or resumed, with all that is needed to do it."""

    asked: Scaling
    folder: RunFolder
    resumed: bool
    data_dir: Path | None
    address: str | None
    autoscale: bool
    """whether the cluster is to add the machines that it lacks"""
    oversubscribe: bool
    command: str
    counts: Sequence[int] | None
    """numbers of workers, as typed"""
    devices: Sequence[str] | None
    """as typed"""


def _trains(launcher: str, processor: str, workers: int) -> bool:
    if launcher == "plain":
        return workers == 1
    return launcher != "dataparallel" or (processor == "gpu" and workers > 1)


def _named(study: Study, launcher: str, processor: str, workers: int, point: Planned) -> Planned:
    name = f"{launcher}_{workers}{processor}_{study.trial_name(point.config)}"
    return Planned(name=name, config=point.config)


def room(nodes: Sequence[Node], processor: str, cpus_per_worker: float) -> int:
    """How many workers of their own CPUs, or GPU, the machines take."""
    gpus = 1.0 if processor == "gpu" else 0.0
    return sum(node.fits(cpus_per_worker, gpus) for node in nodes)


def placed(
    asked: Scaling,
    counts: Sequence[int] | None,
    devices: Sequence[str] | None,
    nodes: Sequence[Node],
    *,
    oversubscribe: bool,
) -> tuple[Scaling, list[str]]:
    """`asked` with the numbers of workers for each processor, and what to say of them.

    `counts` and `devices` are as typed. Left out (None), they are those of the study that fit, on
    the GPUs if there are any. Beside GPUs the CPU is one worker, as in Fan's figures, and that has
    the CPUs of a whole machine if nothing else is asked for. Raises `ConfigError` if GPUs are
    asked for where there are none, and if nothing is left to launch.
    """
    has_gpus = any(node.gpus for node in nodes)
    workers: dict[str, Sequence[int]] = {}
    notes = []
    for processor in devices or ["gpu" if has_gpus else "cpu"]:
        if processor == "gpu" and not has_gpus:
            raise ConfigError(
                f"--device {','.join(devices or ['gpu'])}: there is no GPU ({_has(nodes)}): use "
                "--device cpu"
            )
        if processor == "cpu" and devices and len(devices) > 1:
            workers[processor] = [1]
            whole = max(node.cpus for node in nodes)
            asked = replace(asked, cpus_beside_gpus=asked.cpus_beside_gpus or whole)
        elif counts is not None:
            workers[processor] = counts
        else:
            known = search_spaces.find(asked.study).workers
            fitting = room(nodes, processor, asked.cpus_per_worker)
            shared = oversubscribe and processor == "cpu"
            workers[processor] = [n for n in known if n <= fitting or shared] or [1]
            left_out = [str(n) for n in known if n not in workers[processor]]
            if left_out:
                notes.append(
                    f"{' and '.join(left_out)} workers are left out: there is room for {fitting} "
                    f"on {processor} ({_has(nodes)})."
                )
    asked = replace(asked, workers=workers)
    several = any(n > 1 for n in workers.get("gpu", ()))
    if "dataparallel" in asked.launchers and several and asked.drops:
        notes.append(
            "dataparallel is left out where there is dropout, whose masks it cannot draw: --set "
            "dropout=0 trains without, on all launchers."
        )
    if not asked.launches():
        raise ConfigError(
            "--launchers dataparallel trains on two GPUs or more, and without dropout: add ray, "
            "torchrun or plain"
        )
    return asked, notes


def _has(nodes: Sequence[Node]) -> str:
    """What the machines have, in words."""
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return f"{cpus:g} CPUs and {gpus:g} GPUs"


def check_threads(asked: Scaling, processor: str, *, resumed: bool) -> None:
    """Raise `ConfigError` if workers on the CPU would share CPUs though they are granted: each
    has a thread at least."""
    cpus = asked.cpus_of(processor)
    if processor == "cpu" and cpus < 1:
        instead = "add" if resumed else "use 1 or more, or"
        raise ConfigError(
            f"--cpus-per-worker {cpus:g} on CPUs: each worker has a thread of its own; {instead} "
            "--oversubscribe, which lets workers share CPUs and marks their numbers"
        )


def check_room(
    asked: Scaling,
    workers: Mapping[str, Sequence[int]],
    nodes: Sequence[Node],
    *,
    oversubscribe: bool,
    resumed: bool,
) -> dict[str, dict[int, bool]]:
    """By processor and number of workers, of those `asked` that are still to be launched, whether
    they share CPUs. Raises `ConfigError`, naming what there is, if they do not fit and may not.
    The numbers of a run that is `resumed` are those that it began with."""
    elsewhere = "resume it where they fit, such as on a cluster with --address"
    has = _has(nodes)
    if not any(node.cpus for node in nodes):
        raise ConfigError(
            f"no machine has a CPU for workers ({has}): start workers of the cluster, which its "
            "head alone is not"
        )
    found: dict[str, dict[int, bool]] = {}
    for processor, counts in workers.items():
        if not oversubscribe:
            check_threads(asked, processor, resumed=resumed)
        cpus = asked.cpus_of(processor)
        # Whatever Ray counts for it, each worker on the CPU keeps one busy.
        fitting = room(nodes, processor, max(1.0, cpus) if processor == "cpu" else cpus)
        for n in counts:
            if n > fitting and processor == "gpu":
                instead = elsewhere if resumed else f"use {fitting or 'none'} or --device cpu"
                raise ConfigError(
                    f"--workers {n} on GPUs is more than fit: there are {has}; each worker "
                    f"needs a GPU and {cpus:g} CPU; {instead}"
                )
            if n > fitting and not oversubscribe:
                instead = elsewhere if resumed else "use fewer"
                if not fitting and not resumed:
                    most = max(node.cpus for node in nodes)
                    instead = f"use --cpus-per-worker {most:g} or less"
                raise ConfigError(
                    f"--workers {n} is more than fit: there are {has}, room for {fitting} "
                    f"workers of {cpus:g} CPU; {instead}, or add --oversubscribe, which lets "
                    "workers share CPUs and marks their numbers"
                )
            found.setdefault(processor, {})[n] = n > fitting
    return found


def cpus_each(nodes: Sequence[Node], workers: int, cpus_per_worker: float) -> float:
    """What Ray is to count for each of `workers` oversubscribed workers, so that they all fit
    and lie as evenly as they can: hundredths of a CPU."""
    share = sum(node.cpus for node in nodes) / workers
    # Each machine takes whole workers: a share is cut until enough of them fit.
    while sum(math.floor(node.cpus / share + 1e-9) for node in nodes) < workers:
        share *= 0.9
    return math.floor(100 * min(share, cpus_per_worker)) / 100


def as_json(asked: Scaling) -> dict[str, Any]:
    """What a resumed run has to know beside what every `run.json` says."""
    return {
        "workers": {processor: list(counts) for processor, counts in asked.workers.items()},
        "weak": asked.weak,
        "launchers": list(asked.launchers),
        "cpus_per_worker": asked.cpus_per_worker,
        "cpus_beside_gpus": asked.cpus_beside_gpus,
        "placement": asked.placement,
    }


def of_run(run: Mapping[str, Any]) -> Scaling:
    """What a run was asked for, from its `run.json`."""
    return Scaling(
        study=run["study"],
        budget=run["budget"],
        repeats=run["seeds"],
        choices=run["choices"],
        **run["asked"],
    )
