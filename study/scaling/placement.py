"""Which worker counts fit the machines. Imports neither torch nor Ray."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import search_spaces
from lenet.config import ConfigError
from study.cluster.resources import Node
from study.scaling.plan import ScalingRequest

_WORKERS_OF_OWN = (1, 2)
"""Worker counts for the user's own study, if it declares none."""


def with_workers(
    request: ScalingRequest,
    counts: Sequence[int] | None,
    devices: Sequence[str] | None,
    nodes: Sequence[Node],
    *,
    oversubscribe: bool,
) -> tuple[ScalingRequest, list[str]]:
    """Return `request` with the worker counts of each processor, and notes for the user.

    `counts` and `devices` are as typed. If `counts` is None, the study's worker counts that fit are
    used. If `devices` is None, workers run on the GPUs if there are any. Beside GPUs, the CPU is a
    single worker, as in Fan's figures. It has the CPUs of a whole machine unless the user chose
    otherwise.

    Raises: ConfigError if there is no GPU and the user wants one, or if a strategy does not fit.
    """
    has_gpus = any(node.gpus for node in nodes)
    workers: dict[str, Sequence[int]] = {}
    notes = []
    for processor in devices or ["gpu" if has_gpus else "cpu"]:
        if processor == "gpu" and not has_gpus:
            raise ConfigError(
                f"--device {','.join(devices or ['gpu'])}: there is no GPU ({_totals(nodes)}): use "
                "--device cpu"
            )
        if processor == "cpu" and devices and len(devices) > 1:
            workers[processor] = [1]
            whole_machine = max(node.cpus for node in nodes)
            request = replace(request, cpus_beside_gpus=request.cpus_beside_gpus or whole_machine)
        elif counts is not None:
            workers[processor] = counts
        else:
            of_study = search_spaces.find(request.study).workers or _WORKERS_OF_OWN
            fit = capacity(nodes, processor, request.cpus_per_worker)
            may_share = oversubscribe and processor == "cpu"
            workers[processor] = [n for n in of_study if n <= fit or may_share] or [1]
            omitted = [str(n) for n in of_study if n not in workers[processor]]
            if omitted:
                notes.append(
                    f"Omitting {' and '.join(omitted)} workers: only {fit} fit on {processor} "
                    f"({_totals(nodes)})."
                )
    request = replace(request, workers=workers)
    if "dp" in request.strategies:
        _check_data_parallel(request)
    return request, notes


def _check_data_parallel(request: ScalingRequest) -> None:
    """Raise `ConfigError` unless the strategy `dp` can train all that is requested."""
    instead = "use --strategies ddp"
    if max(request.workers.get("gpu", [1])) == 1:
        raise ConfigError(
            f"--strategies dp: torch.nn.DataParallel needs two or more GPUs: {instead}"
        )
    if "plain" not in request.launchers:
        raise ConfigError(
            "--strategies dp trains in a plain process: add plain to --launchers, or " + instead
        )
    if request.has_dropout:
        raise ConfigError(
            "--strategies dp: torch.nn.DataParallel cannot draw the dropout masks of a whole "
            f"batch: add --set dropout=0, or {instead}"
        )


def capacity(nodes: Sequence[Node], processor: str, cpus_per_worker: float) -> int:
    """Return how many workers fit if none share CPUs or GPUs."""
    gpus = 1.0 if processor == "gpu" else 0.0
    return sum(node.capacity(cpus_per_worker, gpus) for node in nodes)


def check_threads(request: ScalingRequest, processor: str, *, resumed: bool) -> None:
    """Raise `ConfigError` if a CPU worker gets less than one CPU: it has at least one thread."""
    cpus = request.cpus_of(processor)
    if processor == "cpu" and cpus < 1:
        remedy = "add" if resumed else "use 1 or more, or add"
        raise ConfigError(
            f"--cpus-per-worker {cpus:g} is less than the one thread of a CPU worker: {remedy} "
            "--oversubscribe, which lets workers share CPUs and marks their numbers"
        )


def check_capacity(
    request: ScalingRequest,
    workers: Mapping[str, Sequence[int]],
    nodes: Sequence[Node],
    *,
    oversubscribe: bool,
    resumed: bool,
) -> dict[str, dict[int, bool]]:
    """Return whether workers share CPUs, by processor and number of workers.

    `workers` are the counts still to be launched. A resumed run keeps the counts it began with.

    Raises: ConfigError if they do not fit and may not share.
    """
    resume_elsewhere = "resume it where they fit, for example on a cluster with --address"
    totals = _totals(nodes)
    if not any(node.cpus for node in nodes):
        raise ConfigError(
            f"no machine has a CPU for workers ({totals}): start worker nodes, the head alone "
            "takes none"
        )
    oversubscribed: dict[str, dict[int, bool]] = {}
    for processor, counts in workers.items():
        if not oversubscribe:
            check_threads(request, processor, resumed=resumed)
        cpus = request.cpus_of(processor)
        # Whatever share Ray counts, each CPU worker keeps one CPU busy.
        fit = capacity(nodes, processor, max(1.0, cpus) if processor == "cpu" else cpus)
        for n in counts:
            if n > fit and processor == "gpu":
                remedy = resume_elsewhere if resumed else f"use {fit or 'none'} or --device cpu"
                raise ConfigError(
                    f"--workers {n} on GPUs do not fit on {totals}: each worker needs a GPU and "
                    f"{cpus:g} CPU; {remedy}"
                )
            if n > fit and not oversubscribe:
                remedy = resume_elsewhere if resumed else "use fewer"
                if not fit and not resumed:
                    max_cpus = max(node.cpus for node in nodes)
                    remedy = f"use --cpus-per-worker {max_cpus:g} or less"
                raise ConfigError(
                    f"--workers {n} do not fit on {totals}, which have room for {fit} workers of "
                    f"{cpus:g} CPU: {remedy}, or add --oversubscribe, which lets workers share "
                    "CPUs and marks their numbers"
                )
            oversubscribed.setdefault(processor, {})[n] = n > fit
    return oversubscribed


def shared_cpus(nodes: Sequence[Node], workers: int, cpus_per_worker: float) -> float:
    """Return the CPUs, in hundredths, that Ray must count for each oversubscribed worker.

    All workers then fit, spread as evenly as possible.
    """
    share = sum(node.cpus for node in nodes) / workers
    # Each machine takes whole workers: shrink the share until enough of them fit.
    while sum(math.floor(node.cpus / share + 1e-9) for node in nodes) < workers:
        share *= 0.9
    return math.floor(100 * min(share, cpus_per_worker)) / 100


def _totals(nodes: Sequence[Node]) -> str:
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return f"{cpus:g} CPUs and {gpus:g} GPUs"
