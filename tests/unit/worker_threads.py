"""Workers as threads: a data-parallel run in one process, without a process group."""

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
    """Where the workers of one run lay down what they share."""

    workers: int
    given: list[torch.Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.given = [torch.empty(0)] * self.workers
        self.barrier = threading.Barrier(self.workers, timeout=60)

    def exchange(self, rank: int, values: torch.Tensor) -> torch.Tensor:
        """(workers, *shape) of what all have given."""
        self.given[rank] = values.clone()
        self.barrier.wait()
        everything = torch.stack(self.given)
        self.barrier.wait()
        return everything


@dataclass(frozen=True)
class ThreadReplica(Replica):
    """A `Replica` that talks to other threads."""

    meeting: Meeting = field(default_factory=lambda: Meeting(1))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values.copy_(self.meeting.exchange(self.rank, values).sum(0))

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        return self.meeting.exchange(self.rank, values)

    def barrier(self) -> None:
        self.meeting.barrier.wait()


def team(workers: int) -> list[Replica]:
    """The replicas of one run."""
    meeting = Meeting(workers)
    return [ThreadReplica(rank, workers, meeting) for rank in range(workers)]


def together(each: list[Callable[[], T]]) -> list[T]:
    """What each worker returns, all running at once."""
    with ThreadPoolExecutor(len(each)) as threads:
        return [started.result() for started in [threads.submit(one) for one in each]]
