"""Worker processes that train together through a real gloo process group."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from lenet.data_parallel import Replica

MOST_WORKERS = 4


class GlooWorkers:
    """Processes that wait for functions to run together."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    def run(
        self, workers: int, function: Callable[..., Any], *arguments: Any, strategy: str = "ddp"
    ) -> list[Any]:
        """Return what `function(replica, *arguments)` returns in each worker, by rank.

        Raises: the error of the first worker that raised one.
        """
        with tempfile.TemporaryDirectory() as meeting:
            team = self._connections[:workers]
            for rank, connection in enumerate(team):
                replica = Replica(rank, workers, strategy)
                # Plain pickle: torch's own would share memory between the processes.
                connection.send_bytes(pickle.dumps((meeting, replica, function, arguments)))
            results = [pickle.loads(connection.recv_bytes()) for connection in team]
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results


@contextlib.contextmanager
def gloo_workers() -> Iterator[GlooWorkers]:
    """Start the processes, which end with this context. One process imports torch for all."""
    context = multiprocessing.get_context("forkserver")
    # Optimizers import it, which takes each process seconds.
    context.set_forkserver_preload(["torch._dynamo", "lenet.training", "tests.unit.gloo_workers"])
    pipes = [context.Pipe() for _ in range(MOST_WORKERS)]
    processes = [context.Process(target=_serve, args=(far,), daemon=True) for _, far in pipes]
    for process, (_, far) in zip(processes, pipes, strict=True):
        process.start()
        far.close()  # so that the end of the process ends a wait for its result
    yield GlooWorkers([near for near, _ in pipes])
    for (near, _), process in zip(pipes, processes, strict=True):
        near.close()
        process.join(10)


def _serve(connection: Connection) -> None:
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError):  # the context has ended
        while True:
            connection.send_bytes(_answer(connection.recv_bytes()))


def _answer(request: bytes) -> bytes:
    """Return the pickled result of a request, or its error."""
    try:
        meeting, replica, function, arguments = pickle.loads(request)
        torch.distributed.init_process_group(
            "gloo",
            init_method=(Path(meeting) / "store").as_uri(),
            rank=replica.rank,
            world_size=replica.workers,
            timeout=timedelta(seconds=60),
        )
        # A worker that fails at once would close connections that others are still opening.
        torch.distributed.barrier()
        try:
            return pickle.dumps(function(replica, *arguments))
        finally:
            torch.distributed.destroy_process_group()
    except Exception as error:
        return pickle.dumps(error)
