"""Inputs and targets: whole tensors, or a map-style data set that is read on demand."""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from lenet.seeds import seed_torch, stream_seed

_MAX_READERS = 8


@dataclass(frozen=True)
class Samples:
    """Inputs and targets of n samples."""

    inputs: torch.Tensor
    """float32, of images (n, channels, height, width) with pixels in [0, 1]; or int64, such as
    token ids"""
    targets: torch.Tensor
    """classes as int64 (n,), or the values of a regression as float32, (n,) or (n, values)"""

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, selection: slice | torch.Tensor) -> Samples:
        """Select by slice (a view), or by a tensor of indices (a copy)."""
        if isinstance(selection, slice):
            return Samples(self.inputs[selection], self.targets[selection])
        # `index_select` copies whole rows, in half the time of indexing.
        return Samples(
            self.inputs.index_select(0, selection), self.targets.index_select(0, selection)
        )

    def to(self, device: torch.device) -> Samples:
        """Return the samples on `device`, without a copy if they are there already."""
        return Samples(self.inputs.to(device), self.targets.to(device))

    @property
    def device(self) -> torch.device:
        return self.inputs.device

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[1:])

    @property
    def classifies(self) -> bool:
        return not self.targets.is_floating_point()

    def load(self) -> Samples:
        """Return these samples, which are tensors already."""
        return self

    def batches(self, size: int) -> Iterator[Samples]:
        """Yield all samples in order, in batches of `size`; the last one may be smaller."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


@dataclass(frozen=True)
class MapSamples:
    """Samples of a map-style data set, such as torchvision's, read by worker processes.

    `dataset[index]` is (input, target). To augment the input, it may draw random numbers from
    torch, numpy and `random`, which are seeded for each sample. In a training step, this seed
    depends on the run's seed, the epoch and the index, elsewhere only on the index. So records do
    not depend on the number of processes, nor on whether the run was resumed.
    """

    dataset: Any
    indices: torch.Tensor
    """int64 (n,), into `dataset`"""
    device: torch.device
    """where batches go"""

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, selection: slice | torch.Tensor) -> MapSamples:
        """Select by slice or by a tensor of indices, without reading anything."""
        return replace(self, indices=self.indices[selection])

    def to(self, device: torch.device) -> MapSamples:
        return replace(self, device=device)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self[:1].load().input_shape

    @property
    def classifies(self) -> bool:
        return self[:1].load().classifies

    def load(self) -> Samples:
        """Read all samples in this process, whose random state does not change."""
        with kept_random_state():
            items = _Items(self.dataset)
            return _stacked([items[key] for key in self._keys()]).to(self.device)

    def batches(self, size: int) -> Iterator[Samples]:
        """Yield all samples in order, in batches of `size`; the last one may be smaller."""
        keys = self._keys()
        return self._read(keys[start : start + size] for start in range(0, len(keys), size))

    def steps(self, batches: Iterable[tuple[int, torch.Tensor]]) -> Iterator[Samples]:
        """Yield the samples of training steps, which are read ahead.

        `batches`: for each step, a seed and the positions of its samples, int64 (batch,).
        """
        return self._read(
            [(stream_seed(seed, index), index) for index in self.indices[positions].tolist()]
            for seed, positions in batches
        )

    def _keys(self) -> list[tuple[int, int]]:
        """Return (seed, index) of each sample outside training steps."""
        return [(stream_seed(0, "held-out", index), index) for index in self.indices.tolist()]

    def _read(self, batches: Iterable[list[tuple[int, int]]]) -> Iterator[Samples]:
        loader = DataLoader(
            _Items(self.dataset),
            batch_sampler=batches,
            num_workers=_readers(),
            collate_fn=_stacked,
            generator=torch.Generator(),  # else torch's global one gives the workers' base seed
        )
        for samples in loader:
            yield samples.to(self.device)


def _readers() -> int:
    """Return the number of reading processes, limited by the run's threads and the usable CPUs."""
    return min(_MAX_READERS, torch.get_num_threads(), len(os.sched_getaffinity(0)))


class _Items(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The samples of a data set by (seed, index), as tensors."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        seed, index = key
        seed_torch(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        inputs, target = self._dataset[index]
        found = torch.as_tensor(target)
        floating = found.is_floating_point()
        target = found.to(torch.float32).reshape(-1) if floating else found.to(torch.int64)
        inputs = torch.as_tensor(inputs)
        return inputs.to(torch.float32 if inputs.is_floating_point() else torch.int64), target


def _stacked(items: list[tuple[torch.Tensor, torch.Tensor]]) -> Samples:
    inputs, targets = zip(*items, strict=True)
    return Samples(torch.stack(inputs), torch.stack(targets))


@contextlib.contextmanager
def kept_random_state() -> Iterator[None]:
    """Restore the random state of torch, numpy and `random` after the block."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


AnySamples = Samples | MapSamples


def first_problem(samples: AnySamples, classes: int) -> str | None:
    """Describe what is wrong with `samples` of a data set with `classes`; None if nothing is.

    Of map-style samples, only the first and the last are read.
    """
    if isinstance(samples, MapSamples):
        if not len(samples):
            return "no samples, and at least one is needed"
        samples = samples[torch.tensor([0, len(samples) - 1])].load()
    inputs, targets = samples.inputs, samples.targets
    if inputs.dtype not in (torch.float32, torch.int64) or inputs.dim() < 2:
        return (
            f"inputs of type {inputs.dtype} and shape {tuple(inputs.shape)} instead of "
            "torch.float32 (or torch.int64, such as token ids) and (samples, ...), of images "
            "(samples, channels, height, width)"
        )
    values = targets.shape[1:] == (classes,) and targets.is_floating_point()
    if not len(inputs) or not (targets.shape == inputs.shape[:1] or values):
        return (
            f"{len(inputs)} inputs and targets of shape {tuple(targets.shape)} instead of one "
            "target for each input, and at least one"
        )
    if not all(math.isfinite(value) for value in torch.stack(torch.aminmax(inputs)).tolist()):
        return "inputs that are not finite: replace NaN and infinity"
    if targets.dtype == torch.float32:
        if not torch.isfinite(targets).all():
            return "targets that are not finite: replace NaN and infinity"
        return None
    if targets.dtype != torch.int64:
        return (
            f"targets of type {targets.dtype} instead of torch.int64 (classes) or torch.float32 "
            "(values of a regression)"
        )
    low, high = (int(label) for label in torch.aminmax(targets))
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        return f"the label {wrong}, but with {classes} classes labels are 0 to {classes - 1}"
    return None
