"""Nodes, and the share of them that a trial gets. Imports neither Ray nor torch until called."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from lenet.config import ConfigError
from study.cluster.cgroups import cpu_quota

# More trials on one GPU gain little, and each holds its own CUDA context.
_MAX_TRIALS_PER_GPU = 8


_GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Device files of NVIDIA, NVIDIA in WSL, and AMD. Without any of them, no program sees a GPU."""


@dataclass(frozen=True)
class Node:
    """The CPUs and GPUs of one machine. A trial runs on one machine, never across two."""

    cpus: float
    gpus: float

    def capacity(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """Return how many trials of this size fit at once."""
        by_cpu = math.floor(self.cpus / cpus_per_trial + 1e-9)
        if not gpus_per_trial:
            return by_cpu
        if gpus_per_trial > 1:
            return min(by_cpu, math.floor(self.gpus / gpus_per_trial + 1e-9))
        # Ray takes a fraction from a single GPU and never combines remainders.
        return min(by_cpu, math.floor(self.gpus) * math.floor(1 / gpus_per_trial + 1e-9))


@dataclass(frozen=True)
class Resources:
    """The resources of each trial, and how many trials run at once."""

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent: int | None
    """upper limit; None: as many as fit, including on machines that join later"""
    at_first: int
    """trials that fit on the machines present at the start"""
    side_by_side: int
    """how many of `at_first` have a processor to themselves; 1 if there is no machine yet"""

    @property
    def threads(self) -> int:
        """torch threads of a trial: one per CPU, at least one."""
        return max(1, math.floor(self.cpus_per_trial))

    @property
    def bundle(self) -> dict[str, float]:
        """The placement-group bundle of a trial, in Ray's terms."""
        gpus = {"GPU": self.gpus_per_trial} if self.gpus_per_trial else {}
        return {"CPU": self.cpus_per_trial, **gpus}


def this_machine() -> Node:
    """Return the CPUs this process may use and the GPUs torch sees."""
    return Node(_usable_cpus(), _gpus())


def _gpus() -> int:
    """Return the number of GPUs, without torch if the system has none."""
    if sys.platform == "linux" and not any(map(os.path.exists, _GPU_DEVICES)):
        return 0
    import torch

    return torch.cuda.device_count()


def _usable_cpus() -> int:
    """Return the CPUs that the affinity mask and the container's quota allow."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cpus = os.cpu_count() or 1
    quota = cpu_quota()
    return cpus if quota >= cpus else max(1, math.floor(quota))


def allocate(
    nodes: Sequence[Node],
    *,
    cpus_per_trial: float,
    gpus_per_trial: float | None,
    max_concurrent: int | None,
    trials: int,
    may_grow: bool = False,
    autoscale: bool = False,
) -> Resources:
    """Divide `nodes` among `trials` trials.

    If `gpus_per_trial` is None, as many trials share a GPU as there are CPUs to feed it, so that
    neither sits idle. With `may_grow`, machines may join during the run. With `autoscale`, the
    nodes present now say nothing about the nodes to come.

    Raises: ConfigError if not a single trial fits.
    """
    if gpus_per_trial is None:
        shares = [
            min(max(math.floor(node.cpus / cpus_per_trial / node.gpus), 1), _MAX_TRIALS_PER_GPU)
            for node in nodes
            if node.gpus
        ]
        if autoscale and not shares:
            raise ConfigError(
                "--autoscale: no machine with a GPU has joined yet, so the share of a trial is "
                "unknown: add --gpus-per-trial 0.25, for example, or 0 to train on the CPU"
            )
        gpus_per_trial = 1 / max(shares) if shares else 0.0
    if gpus_per_trial > 1 and gpus_per_trial != int(gpus_per_trial):
        raise ConfigError(
            f"--gpus-per-trial {gpus_per_trial:g} is not possible: above 1, Ray assigns whole "
            f"GPUs; use {math.ceil(gpus_per_trial)}"
        )
    capacity = sum(node.capacity(cpus_per_trial, gpus_per_trial) for node in nodes)
    if not capacity and not autoscale:
        alternative = "; or add --autoscale if this cluster adds machines" if may_grow else ""
        raise ConfigError(_misfit(nodes, cpus_per_trial, gpus_per_trial) + alternative)
    at_first = min(capacity, max_concurrent or trials, trials)
    threads = max(1, math.floor(cpus_per_trial))
    cpus = sum(node.cpus for node in nodes)
    return Resources(
        cpus_per_trial,
        gpus_per_trial,
        concurrent=max_concurrent if may_grow else at_first,
        at_first=at_first,
        side_by_side=max(1, min(at_first, int(cpus / threads))),
    )


def _misfit(nodes: Sequence[Node], cpus_per_trial: float, gpus_per_trial: float) -> str:
    """Explain why no trial of this size fits on any node, and what to type instead."""
    max_cpus = max((node.cpus for node in nodes), default=0)
    max_gpus = max((node.gpus for node in nodes), default=0)
    if not max_cpus:
        return "no machine has a CPU for trials: start worker nodes, the head alone takes none"
    if cpus_per_trial > max_cpus:
        return (
            f"--cpus-per-trial {cpus_per_trial:g} exceeds the {max_cpus:g} CPUs of the largest "
            f"machine: use --cpus-per-trial {max_cpus:g} or less"
        )
    if gpus_per_trial > max_gpus:
        remedy = (
            f"use --gpus-per-trial {max_gpus:g} or less"
            if max_gpus
            else "omit --gpus-per-trial to train on the CPU"
        )
        return (
            f"--gpus-per-trial {gpus_per_trial:g} exceeds the {max_gpus:g} GPUs of the largest "
            f"machine: {remedy}"
        )
    return (
        f"no machine has both {cpus_per_trial:g} CPUs and {gpus_per_trial:g} GPUs: lower "
        "--cpus-per-trial or --gpus-per-trial"
    )
