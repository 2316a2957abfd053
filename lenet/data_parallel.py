"""Data parallelism: one training run on several workers, each with its shard of every batch.

The weights are the same in all workers at every step: they start from the same seed, and each
update is made from the same gradients. These are summed by one explicit all-reduce of a single
flat buffer once the backward pass is done, not by `DistributedDataParallel`'s hooks: what
communication takes can then be measured apart from computation, and each worker's share can
be weighted by its samples, so that the last, shorter batch of an epoch is no special case. For a
small net nothing is lost by it: all its gradients fit into one of DDP's buckets, which is sent
when the backward pass ends, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed


@dataclass(frozen=True)
class Replica:
    """One of the `workers` that train one run together; `rank` counts from 0.

    More than one talk through the default process group of `torch.distributed`, which must
    be there before they train, and hold exactly these workers.
    """

    rank: int = 0
    workers: int = 1

    def shard(self, samples: int) -> slice:
        """Which of so many samples are this worker's. Over all workers every sample is one
        shard's, and shards differ by one sample at the most; one may be empty."""
        return slice(self.rank * samples // self.workers, (self.rank + 1) * samples // self.workers)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """`values`, of any shape, summed over the workers in place."""
        if self.workers > 1:
            torch.distributed.all_reduce(values)
        return values

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """(workers, *shape): what each worker gave, which must be of one shape and type."""
        each = [torch.empty_like(values) for _ in range(self.workers)]
        if self.workers > 1:
            torch.distributed.all_gather(each, values)
        else:
            each = [values]
        return torch.stack(each)

    def wait(self) -> None:
        """Until all workers are here."""
        if self.workers > 1:
            torch.distributed.barrier()

    def sum_gradients(
        self, parameters: Sequence[torch.nn.Parameter], share: float, measured: torch.Tensor
    ) -> torch.Tensor:
        """Make each gradient the sum over the workers of theirs, `share` of each counted in,
        and return `measured`, float32 (n,), summed likewise but whole.

        A worker without samples has no gradients and adds 0.
        """
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(g.reshape(-1).mul(share) for g in gradients), measured])
        self.sum(flat)
        sizes = [*(g.numel() for g in gradients), measured.numel()]
        *parts, total = flat.split(sizes)
        for gradient, part in zip(gradients, parts, strict=True):
            # Into the gradient's own memory: a fused optimizer takes its layout to be the weight's.
            gradient.copy_(part.view(gradient.shape))
        return total


ALONE = Replica()
"""A run on one worker, which needs no process group."""
