"""The job that trains data-parallel on several workers, and tells what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console

from lenet.config import ConfigError, unknown_name
from lenet.own_part_checks import check_own_parts
from search_spaces.hardware import LAUNCHERS, STRATEGIES
from search_spaces.study import Study
from study.api.job import Job, open_for_tool, shell_command
from study.api.places import Place, cluster_address, data_folder, location, new_place
from study.api.studies import Settings, as_typed, choices, study_name
from study.request import MAX_SEEDS, check_count
from study.runs.run_folder import RunFolder
from study.scaling.plan import PROCESSORS, TOOL, ScalingRequest, ScalingSession

if TYPE_CHECKING:
    from study.cluster.engine import Engine

PLACEMENTS = ("pack", "spread")


@dataclass(frozen=True, kw_only=True, repr=False)
class ScalingJob(Job):
    """The job of a scaling run: a comparison of worker counts."""

    engine = "study.scaling.session"

    session: ScalingSession

    @property
    def study(self) -> str:
        return self.session.request.study

    @property
    def resumed(self) -> bool:
        return self.session.resumed

    @property
    def folder(self) -> RunFolder:
        return self.session.folder

    def with_command(self, words: Sequence[str]) -> Self:
        return replace(self, session=replace(self.session, command=tuple(words)))

    def _make_engine(self, console: Console) -> Engine:
        from study.scaling.session import ScalingEngine

        return ScalingEngine(self.session, console)


def scaling(
    study: str | Path | Study = "fan-hardware",
    *,
    workers: Sequence[int] | None = None,
    widths: Sequence[int | str] | None = None,
    weak: bool = False,
    repeats: int = 1,
    budget: str = "quick",
    settings: Settings | None = None,
    devices: str | Sequence[str] | None = None,
    launchers: str | Sequence[str] | None = None,
    strategies: str | Sequence[str] = "ddp",
    oversubscribe: bool = False,
    cpus_per_worker: float | None = None,
    placement: str | None = None,
    address: str | None = None,
    autoscale: bool = False,
    results: Place | None = None,
    storage: Place | None = None,
    data_dir: str | Path | None = None,
) -> ScalingJob:
    """Make the job that trains the same points with several worker counts, and times them.

    Args:
        study: `fan-hardware`, `upc-gpus`, `FILE.py`, `package.module:STUDY`, or a `Study`.
        workers: worker counts to compare; None: those of the study that fit.
        widths: also train nets this many times as wide.
        weak: also scale weakly: the batch grows with the workers.
        repeats: how often everything runs, each time with another seed.
        budget: how long each point trains: `smoke`, `quick` or `paper`.
        settings: values in place of the study's own.
        devices: `cpu`, `gpu` or both; None: `gpu` if there is one.
        launchers: of `ray`, `torchrun` and `plain`; None: all, on a cluster only `ray`.
        strategies: of `ddp`, `explicit` and `dp`: how workers share a step.
        oversubscribe: let CPU workers share CPUs; their numbers are marked.
        cpus_per_worker: CPUs, and so threads, of each worker; None: one.
        placement: on a cluster, `pack` workers on few machines or `spread` them; None: `pack`.
        address: of a Ray cluster; None: RAY_ADDRESS, else this machine.
        autoscale: wait until the cluster adds the machines that are missing.
        results: the place of this run; None: a new name in `storage`.
        storage: the parent of all runs, a folder or a bucket; None: `results`.
        data_dir: folder of the data sets.

    Raises: ConfigError if the request is not valid, or the place is taken.
    """
    arguments = dict(locals())
    cluster = cluster_address(address, autoscale=autoscale)
    chosen = choices(settings)
    typed, name = as_typed(chosen), study_name(study)
    check_count("repeats", repeats, MAX_SEEDS)
    if "seed" in chosen:
        raise ConfigError("seed is not a dimension: use --repeats N, each repeat is a seed")
    if widths is not None:
        if "width" in chosen:
            raise ConfigError("width is set twice: omit --widths or --set width")
        chosen["width"] = _distinct([str(width) for width in widths], None, "--widths")
    if cpus_per_worker is not None and not 0.01 <= cpus_per_worker < float("inf"):
        raise ConfigError(f"cpus_per_worker={cpus_per_worker} must be a number, 0.01 or more")
    request = ScalingRequest(
        study=name,
        budget=budget,
        repeats=repeats,
        choices=chosen,
        workers={},
        weak=weak,
        launchers=_launchers(launchers, cluster),
        strategies=_strategies(strategies, cluster),
        cpus_per_worker=cpus_per_worker or 1.0,
        placement=placement or "pack",
        cpus_beside_gpus=cpus_per_worker,
    )
    # Reports a wrong name or value before torch, which takes seconds to import.
    plan = request.restricted_study().plan(request.budget, request.repeats)
    check_own_parts(planned.config for planned in plan)
    if placement is not None and placement not in PLACEMENTS:
        raise ConfigError(unknown_name(placement, PLACEMENTS, "placement"))
    if placement and not cluster:
        raise ConfigError("--placement needs a cluster: add --address, or omit --placement")
    counts, note = (None, "") if workers is None else _with_baseline(workers)
    found = None if devices is None else _distinct(devices, PROCESSORS, "device")
    return ScalingJob(
        note=note,
        session=ScalingSession(
            request=request,
            folder=RunFolder(new_place(results, storage, name, budget)),
            data_dir=data_folder(data_dir),
            address=cluster,
            autoscale=autoscale,
            oversubscribe=oversubscribe,
            counts=counts,
            devices=found,
            command=shell_command(scaling, arguments, study=name, settings=typed),
        ),
    )


def resumed_scaling(
    place: Place,
    *,
    oversubscribe: bool = False,
    address: str | None = None,
    autoscale: bool = False,
    data_dir: str | Path | None = None,
) -> ScalingJob:
    """Make the job that finishes the scaling run in `place`.

    Raises: ConfigError if there is no such run, or it cannot be written to.
    """
    cluster = cluster_address(address, autoscale=autoscale)
    folder = open_for_tool(location(place), TOOL)
    if not folder.writable:
        raise ConfigError(f"cannot write to {place}: resume the run where you have write access")
    return ScalingJob(
        session=ScalingSession(
            request=ScalingRequest.of_run(folder.run),
            folder=folder,
            resumed=True,
            data_dir=data_folder(data_dir),
            address=cluster,
            autoscale=autoscale,
            oversubscribe=oversubscribe,
        )
    )


def _launchers(chosen: str | Sequence[str] | None, cluster: str | None) -> list[str]:
    launchers = list(LAUNCHERS) if chosen is None else _distinct(chosen, LAUNCHERS, "launcher")
    if cluster and chosen is not None and launchers != ["ray"]:
        raise ConfigError(
            "torchrun and plain processes run on this machine, not on the cluster: use "
            "--launchers ray, or omit --address"
        )
    return ["ray"] if cluster else launchers


def _strategies(chosen: str | Sequence[str], cluster: str | None) -> list[str]:
    strategies = _distinct(chosen, STRATEGIES, "strategy")
    if cluster and "dp" in strategies:
        raise ConfigError(
            "--strategies dp trains in one process on this machine, not on the cluster: use ddp or "
            "explicit, or omit --address"
        )
    return strategies


def _with_baseline(workers: Sequence[int]) -> tuple[list[int], str]:
    """Return the worker counts with the baseline, 1, and a note if that was added."""
    text = ",".join(map(str, workers))
    for count in workers:
        check_count("workers", count)
    if len(set(workers)) < len(workers):
        raise ConfigError(f"--workers {text} repeats a number")
    added = f"Adding 1 to --workers {text}, the baseline of every comparison."
    return sorted({1, *workers}), "" if 1 in workers else added


def _distinct(names: str | Sequence[str], known: Sequence[str] | None, what: str) -> list[str]:
    names = [names] if isinstance(names, str) else names
    for name in names:
        if known is not None and name not in known:
            raise ConfigError(unknown_name(name, known, what))
    if len(set(names)) < len(names):
        raise ConfigError(f"{what} {','.join(names)} repeats a value")
    return list(names)
