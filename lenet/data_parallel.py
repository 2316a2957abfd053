"""Data parallelism: one training run on several workers, each with its shard of every batch.

The weights are the same in all workers at every step: they start from the same seed, and each
update is made from the same gradients. These are summed by one explicit all-reduce of a single
flat buffer once the backward pass is done, not by `DistributedDataParallel`'s hooks: what
communication takes can then be measured apart from computation, and each worker's share can
be weighted by its samples, so that the last, shorter batch of an epoch is no special case.

It costs what DDP gains by sending gradients while the backward pass goes on. For gradients of less
than 1 MiB, DDP's first bucket, that is nothing: LeNet has 0.24 MiB of them, and 0.93 if twice as
wide. A net with more would spend less time waiting under DDP than it does here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed
from torch.nn.modules.batchnorm import _BatchNorm

from lenet.config import ConfigError


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

        A worker that has no gradient where another has, as one without samples, adds 0. What no
        worker has a gradient of keeps none, as a frozen parameter does, so that no optimizer
        moves it.
        """
        trained = [p for p in parameters if p.requires_grad]
        here = [p.grad is not None for p in trained]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        # How many workers have each. Where all are here it is never looked at: that would make a
        # GPU wait.
        having = measured.new_ones(len(here)) if all(here) else measured.new_tensor(here)
        flat = torch.cat([*(g.reshape(-1).mul(share) for g in gradients), having, measured])
        self.sum(flat)
        sizes = [*(g.numel() for g in gradients), having.numel(), measured.numel()]
        *parts, having, total = flat.split(sizes)
        anywhere = here if all(here) else (having > 0).tolist()
        for parameter, gradient, part, any_has in zip(
            trained, gradients, parts, anywhere, strict=True
        ):
            if any_has:
                # Into the gradient's own memory: a fused optimizer takes its layout to be the
                # weight's.
                parameter.grad = gradient.copy_(part.view(gradient.shape))
        return total


ALONE = Replica()
"""A run on one worker, which needs no process group."""


def check_learns_alike(model: torch.nn.Module, name: str) -> None:
    """Raise `ConfigError` if `model` learns other things on a shard of a batch than on the whole:
    if it has batch normalization, or numbers of its own that its checkpoint keeps beside the
    weights, such as running means. `name` is what the user calls it."""
    weights = {parameter for parameter, _ in model.named_parameters(remove_duplicate=False)}
    by_batch = [layer for layer, part in model.named_modules() if isinstance(part, _BatchNorm)]
    running = [
        number
        for number, value in model.state_dict().items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and number not in weights
    ]
    found = next(iter([*running, *by_batch]), None)
    if found is not None:
        raise ConfigError(
            f"model={name} cannot be trained by several workers: each would have another "
            f"{found}, from its share of every batch; use GroupNorm or LayerNorm instead of "
            "running means, register_buffer(..., persistent=False) for constants, or one worker"
        )
