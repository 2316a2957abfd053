"""Workers as threads: a data-parallel run in one process, without a process group.

DistributedDataParallel needs processes (`tests.unit.gloo_workers`). Threads let a test patch what
all workers see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from lenet.data_parallel import Replica

T = TypeVar("T")


@dataclass
class Meeting:
    """Where the workers of one run exchange tensors."""

    workers: int
    contributions: list[torch.Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contributions = [torch.empty(0)] * self.workers
        self.barrier = threading.Barrier(self.workers, timeout=60)

    def exchange(self, rank: int, values: torch.Tensor) -> torch.Tensor:
        """Return the values of all workers, shape (workers, *shape)."""
        self.contributions[rank] = values.clone()
        self.barrier.wait()
        gathered = torch.stack(self.contributions)
        self.barrier.wait()
        return gathered


@dataclass(frozen=True)
class ThreadReplica(Replica):
    """A `Replica` that communicates with other threads."""

    meeting: Meeting = field(default_factory=lambda: Meeting(1))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values.copy_(self.meeting.exchange(self.rank, values).sum(0))

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        return self.meeting.exchange(self.rank, values)

    def barrier(self) -> None:
        self.meeting.barrier.wait()


def team(workers: int) -> list[Replica]:
    """Create the replicas of one run."""
    meeting = Meeting(workers)
    return [ThreadReplica(rank, workers, "explicit", meeting=meeting) for rank in range(workers)]


def run_together(functions: list[Callable[[], T]]) -> list[T]:
    """Return the results of `functions`, which run at the same time."""
    with ThreadPoolExecutor(len(functions)) as threads:
        return [future.result() for future in [threads.submit(f) for f in functions]]
