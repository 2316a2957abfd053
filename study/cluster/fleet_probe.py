"""Fleets built and timed on this machine; `study.cluster.fleet_speed` remembers the results."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections.abc import Mapping, Sequence

import torch

from lenet.config import TrainConfig
from lenet.dataset_files import AnyDataset
from lenet.devices import training_device
from lenet.fleet import Fleet
from lenet.fused import Unfusable
from lenet.training import Run
from study.cluster.step_probe import busy_neighbors, short_run, time_step

_MEASUREMENTS = 2
_TIMED_SECONDS = 0.1
_MAX_TIMED_STEPS = 50


class FleetProbe:
    """A probe that builds short fleets and times a few of their steps."""

    def __init__(
        self, datasets: Mapping[str, AnyDataset], *, neighbors: int, threads: int, use_gpu: bool
    ) -> None:
        """Use `threads` torch threads until `close`, beside `neighbors` busy processes."""
        self._device = training_device(use_gpu)
        self._datasets = {n: dataset.load().to(self._device) for n, dataset in datasets.items()}
        self._neighbors = neighbors
        self._busy = contextlib.ExitStack()
        self._is_busy = False
        self._default_threads = torch.get_num_threads()
        torch.set_num_threads(threads)

    def close(self) -> None:
        """End the busy processes, and restore the number of threads."""
        self._busy.close()
        torch.set_num_threads(self._default_threads)

    def kind(self, configs: Sequence[TrainConfig]) -> tuple[str, int, bool]:
        """Return (why trials cannot be trained as one, bytes of weights, whether that is final).

        The reason is empty if they can. Of the errors, only `Unfusable` is final: another one, such
        as a full GPU, may pass.
        """
        try:
            runs = self._runs(configs)
        except Exception:  # a user's own model may raise anything; the estimate reports it
            return "its model cannot be trained", 1, False
        weights = sum(p.numel() * p.element_size() for p in runs[0].model.parameters())
        try:
            Fleet(runs)
        except Unfusable as error:
            return textwrap.shorten(str(error), 150, placeholder=" ..."), weights, True
        except Exception:
            return "its model cannot be trained", weights, False
        return "", weights, True

    def speed(self, members: Sequence[TrainConfig]) -> float:
        """Return the steps per second of all members together. A single member is timed alone.

        Raises: MemoryError if they do not fit into the memory.
        """
        try:
            return self._speed(members)
        except torch.OutOfMemoryError as error:
            raise MemoryError from error

    def _speed(self, members: Sequence[TrainConfig]) -> float:
        if not self._is_busy:
            self._busy.enter_context(busy_neighbors(self._neighbors))
            self._is_busy = True
        runs = self._runs(members)
        fleet = Fleet(runs) if len(runs) > 1 else None
        # Other work may hold up one measurement; the faster of two tells what the steps need.
        step = min(
            _time_fleet_step(fleet) if fleet else time_step(runs[0]) for _ in range(_MEASUREMENTS)
        )
        return len(runs) / step

    def free_gpu_memory(self) -> int | None:
        """Return the free bytes of the GPU; None if the driver has no GPU, as on a cluster head."""
        if self._device.type != "cuda":
            return None
        return torch.cuda.mem_get_info(self._device)[0]

    def _runs(self, configs: Sequence[TrainConfig]) -> list[Run]:
        return [short_run(config, self._datasets[config.dataset]) for config in configs]


def _time_fleet_step(fleet: Fleet) -> float:
    """Return the seconds of a step of all members, as `time_step` does for one run."""
    fleet.train_to(fleet.step + 1)  # also gathers the first batches
    steps, started = 0, time.perf_counter()
    while steps < _MAX_TIMED_STEPS and time.perf_counter() - started < _TIMED_SECONDS:
        fleet.train_to(fleet.step + 2)
        steps += 2
    return (time.perf_counter() - started) / steps
