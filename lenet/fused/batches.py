"""The batches of a fleet, whose members train on the same samples in different orders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.config import TrainConfig
from lenet.run_length import RunLength
from lenet.samples import Samples
from lenet.training import sample_order

# Number of samples that are gathered at once, over all orders.
_GATHERED = 4_096


class OrderedBatches:
    """The batches of several orders of the same samples, gathered many steps at a time."""

    def __init__(self, samples: Samples, length: RunLength, configs: Sequence[TrainConfig]) -> None:
        self._samples = samples
        self._length = length
        self._configs = configs
        self._epoch = -1
        self._span = slice(0, 0)
        self._orders = self._inputs = self._targets = torch.empty(0)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batches after `step` steps: inputs (orders, size, ...), targets."""
        if self._length.full_batch:
            return self._samples.inputs.unsqueeze(0), self._samples.targets.unsqueeze(0)
        epoch, position = divmod(step, self._length.steps_per_epoch)
        size = self._length.batch_size
        start = position * size
        if epoch != self._epoch or not self._span.start <= start < self._span.stop:
            self._gather(epoch, start)
        window = slice(start - self._span.start, start - self._span.start + size)
        return self._inputs[:, window], self._targets[:, window]

    def _gather(self, epoch: int, start: int) -> None:
        if epoch != self._epoch:
            orders = [sample_order(config, epoch, self._length) for config in self._configs]
            self._orders = torch.stack(orders).to(self._samples.inputs.device)
            self._epoch = epoch
        size = self._length.batch_size
        steps = max(1, _GATHERED // (size * len(self._configs)))
        self._span = slice(start, min(start + steps * size, len(self._samples)))
        order = self._orders[:, self._span]
        gathered = self._samples[order.flatten()]
        self._inputs = gathered.inputs.unflatten(0, order.shape)
        self._targets = gathered.targets.unflatten(0, order.shape)
