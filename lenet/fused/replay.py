"""Replayed: the same operations on one batch after the other; on a GPU, launched as one.

In a small net on a GPU, most of a step is the overhead of launching its operations. A CUDA graph
records them once and launches all of them together, on tensors at fixed addresses.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_EAGER_STEPS = 3
"""Steps before the recording, in which libraries choose kernels and optimizers make their states.
"""

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Records a function's operations on the GPU without running them; returns what runs them."""


def cuda_graph(work: Callable[[], None]) -> Callable[[], None]:
    """Record `work` as a CUDA graph; return its replay."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class Replayed:
    """Calls `work` on the tensors of each step. On a GPU, it records `work`, then replays it.

    `work` must not read a value from the GPU, and must leave all results in tensors that it was
    given or that existed before.
    """

    def __init__(
        self,
        work: Callable[..., None],
        size: int,
        capture: Capture | None,
        *,
        same_batch: bool = False,
    ) -> None:
        """Prepare to call `work`.

        `size`: samples of a whole batch; smaller batches are not recorded. `capture`: None to call
        `work` each time, as on a CPU. `same_batch`: whether each step is on the same tensors, which
        are then not copied.
        """
        self._work = work
        self._size = size
        self._capture = capture
        self._same_batch = same_batch
        self._eager_steps = 0
        self._static: tuple[Tensor, ...] = ()
        self._replay: Callable[[], None] | None = None

    def __call__(self, inputs: Tensor, targets: Tensor, rates: Tensor) -> None:
        """Do the work of one step. inputs: (orders, samples, ...), targets: (orders, samples)."""
        is_whole = targets.shape[1] == self._size
        if self._capture is None or not is_whole or self._eager_steps < _EAGER_STEPS:
            self._eager_steps += is_whole
            self._work(inputs, targets, rates)
            return
        if self._replay is None:
            kept = (inputs, targets) if self._same_batch else (inputs.clone(), targets.clone())
            self._static = (*kept, rates.clone())
            self._replay = self._capture(lambda: self._work(*self._static))
        for static, new in zip(self._static, (inputs, targets, rates), strict=True):
            if static.data_ptr() != new.data_ptr():
                static.copy_(new)
        self._replay()
