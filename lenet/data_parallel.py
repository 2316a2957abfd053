"""Data parallelism: one training run on several workers, each with a shard of every batch.

All workers have equal weights at every step: they start from the same seed and apply the same
gradients. One explicit all-reduce of a single flat buffer sums the gradients after the backward
pass. `DistributedDataParallel` is not used, for two reasons: communication can be timed apart from
computation, and each shard is weighted by its samples, so a shorter last batch is no special case.

The cost: DDP sends gradients during the backward pass, once they fill its first bucket of 1 MiB.
LeNet's gradients are smaller (0.24 MiB; 0.93 MiB at twice the width). A larger net would wait less
with DDP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lenet.config import ConfigError, TrainConfig
from lenet.losses import Loss
from lenet.models.dropout import Dropout
from lenet.step_clock import NO_CLOCK, StepClock


@dataclass(frozen=True)
class Replica:
    """One of the `workers` that train one run together; `rank` counts from 0.

    Several workers communicate through the default process group of `torch.distributed`. It must
    exist before they train, and contain exactly these workers.
    """

    rank: int = 0
    workers: int = 1

    def shard(self, samples: int) -> slice:
        """Return which of `samples` samples belong to this worker.

        Every sample belongs to one worker. Shards differ by one sample at most, and may be empty.
        """
        return slice(self.rank * samples // self.workers, (self.rank + 1) * samples // self.workers)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum `values`, of any shape, over the workers, in place."""
        if self.workers > 1:
            torch.distributed.all_reduce(values)
        return values

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return the `values` of all workers, shape (workers, *shape), in the order of the ranks.

        Shape and dtype must be the same in all workers.
        """
        if self.workers == 1:
            return values.unsqueeze(0)
        gathered = [torch.empty_like(values) for _ in range(self.workers)]
        torch.distributed.all_gather(gathered, values)
        return torch.stack(gathered)

    def barrier(self) -> None:
        """Wait until all workers have called this."""
        if self.workers > 1:
            torch.distributed.barrier()

    def sum_gradients(
        self, parameters: Sequence[nn.Parameter], weight: float, totals: torch.Tensor
    ) -> torch.Tensor:
        """Replace each gradient with its weighted sum over the workers; return summed `totals`.

        `weight` multiplies this worker's gradients. `totals`, float32 (n,), are not weighted.

        A gradient that only some workers have counts as 0 in the others. A parameter without a
        gradient in any worker, such as an unused one, stays without: no optimizer moves it.
        """
        trained = [p for p in parameters if p.requires_grad]
        present = [p.grad is not None for p in trained]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        # How many workers have each gradient. It is read only if one is missing here, because
        # reading it makes the CPU wait for a GPU.
        counts = totals.new_ones(len(present)) if all(present) else totals.new_tensor(present)
        flat = torch.cat([*(g.reshape(-1).mul(weight) for g in gradients), counts, totals])
        self.sum(flat)
        sizes = [*(g.numel() for g in gradients), counts.numel(), totals.numel()]
        *sums, counts, totals = flat.split(sizes)
        exists = present if all(present) else (counts > 0).tolist()
        for parameter, gradient, total, has_gradient in zip(
            trained, gradients, sums, exists, strict=True
        ):
            if has_gradient:
                # Into the gradient's own memory: fused optimizers expect the weight's layout.
                parameter.grad = gradient.copy_(total.view(gradient.shape))
        return totals

    def take_shard(
        self, model: nn.Module, loss_function: Loss, samples: int, clock: StepClock
    ) -> Shard:
        """Return this worker's shard of a batch of `samples`, for one `training_step`.

        Also tells the model's dropout layers which masks to use.
        """
        if self.workers == 1:
            return WHOLE_BATCH
        own = self.shard(samples)
        size = own.stop - own.start
        # A worker without samples borrows the first: it must draw the masks that the others draw.
        span = own if size else slice(0, 1)
        share_masks(model, samples, span)
        weight = loss_function.weight(size) / loss_function.weight(samples)
        return Shard(span, self, weight, borrowed=not size, clock=clock)


ALONE = Replica()
"""The only worker of a run in one process. It needs no process group."""


@dataclass(frozen=True)
class Shard:
    """One worker's part of one training batch."""

    span: slice
    """the samples of the batch to compute on, at least one"""
    replica: Replica = ALONE
    weight: float = 1.0
    """factor of this shard's loss and gradients in those of the batch"""
    borrowed: bool = False
    """`span` belongs to another worker and must not count"""
    clock: StepClock = NO_CLOCK

    def all_reduce(
        self, optimizer: torch.optim.Optimizer, loss: torch.Tensor, correct: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum gradients, loss and correct answers over the workers, after the backward pass.

        Returns (loss, number of correct answers) of the whole batch. The optimizer's gradients
        become those of the whole batch.
        """
        if self.replica.workers == 1:
            return loss, correct
        if self.borrowed:
            optimizer.zero_grad(set_to_none=True)
            loss, correct = torch.zeros_like(loss), torch.zeros_like(correct)
        self.clock.lap("compute")
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        totals = torch.stack([loss * self.weight, correct.to(loss.dtype)])
        loss, correct = self.replica.sum_gradients(parameters, self.weight, totals)
        self.clock.lap("communication")
        return loss, correct.to(torch.int64)


WHOLE_BATCH = Shard(slice(None))
"""The shard of a run in one process."""


def share_masks(model: nn.Module, samples: int, span: slice) -> None:
    """Tell the model's `Dropout` layers that the input is `span` of a batch of `samples`.

    They then use the masks that these samples have on a single worker.
    """
    for module in model.modules():
        if isinstance(module, Dropout):
            module.shard = samples, span


def distribute(model: nn.Module, config: TrainConfig, replica: Replica, gpus: int) -> nn.Module:
    """Return the module that runs the forward pass of training steps.

    It is `model` itself, or `torch.nn.DataParallel` around it if this process has several `gpus`.
    The latter has not been tested on GPUs.

    Raises: ConfigError if the model of `config` does not work with several workers or GPUs.
    """
    if replica.workers > 1 or gpus > 1:
        check_shardable(model, config.model)
    if gpus == 1:
        return model
    if config.dropout > 0:
        raise ConfigError(
            f"dropout={config.dropout:g} draws from a generator that is on one GPU: set "
            "dropout=0, or use one process for each GPU"
        )
    return nn.DataParallel(model, list(range(gpus)))


def check_shardable(model: nn.Module, name: str) -> None:
    """Raise `ConfigError` if `model` depends on which samples share a batch.

    Batch normalization does, and so do floating-point buffers in the checkpoint, such as running
    means. `name` is the model's name in the message.
    """
    weights = {parameter for parameter, _ in model.named_parameters(remove_duplicate=False)}
    batch_norms = [path for path, layer in model.named_modules() if isinstance(layer, _BatchNorm)]
    buffers = [
        path
        for path, value in model.state_dict().items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and path not in weights
    ]
    problem = next(iter([*buffers, *batch_norms]), None)
    if problem is not None:
        raise ConfigError(
            f"model={name} cannot be trained by several workers: each would compute its own "
            f"{problem} from its shard of every batch; use GroupNorm or LayerNorm instead of "
            "running means, register_buffer(..., persistent=False) for constants, or one worker"
        )
