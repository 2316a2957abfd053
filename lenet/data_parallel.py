"""Data parallelism: one training run on several workers, each with a shard of every batch.

All workers have equal weights at every step: they start from the same seed and apply the same
gradients. Each worker weights its loss by its share of the batch, and gradients are summed over the
workers. So they learn what one worker learns, even from a batch that they cannot share equally.

There are three ways to sum gradients:

- `ddp`: `DistributedDataParallel`. It sends gradients during the backward pass, in buckets of
  1 MiB (the first) and 25 MiB (the others).
- `explicit`: one all-reduce of all gradients after the backward pass. It hides no communication,
  and serves as a baseline for DDP.
- `dp`: `torch.nn.DataParallel`, one process that drives several GPUs. Not tested on GPUs.

The training step is the same for all: `distribute` attaches one to the model and the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.losses import Loss
from lenet.models.dropout import Dropout
from lenet.step_clock import StepClock


@dataclass(frozen=True)
class Replica:
    """One of the `workers` that train one run together; `rank` counts from 0.

    Several workers communicate through the default process group of `torch.distributed`. It must
    exist before they train, and contain exactly these workers.
    """

    rank: int = 0
    workers: int = 1
    strategy: str = "ddp"
    """how several workers sum gradients: `ddp` or `explicit`"""
    gpus: int = 1
    """GPUs of this process; several share each batch of a single worker (`dp`)"""
    wrap: Callable[..., DistributedDataParallel] = DistributedDataParallel
    """makes a model data-parallel, given the model and DDP's keywords; Ray Train has its own"""

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

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient with its sum over the workers, by one all-reduce.

        A gradient that only some workers have counts as 0 in the others. A parameter without a
        gradient in any worker, such as an unused one, stays without: no optimizer moves it.
        """
        trained = [p for p in parameters if p.requires_grad]
        present = [p.grad is not None for p in trained]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        # How many workers have each gradient. It is read only if one is missing here, because
        # reading it makes the CPU wait for a GPU.
        counts = gradients[0].new_tensor(present)
        *sums, counts = self.sum(torch.cat([*(g.reshape(-1) for g in gradients), counts])).split(
            [*(g.numel() for g in gradients), counts.numel()]
        )
        exists = present if all(present) else (counts > 0).tolist()
        for parameter, gradient, total, has_gradient in zip(
            trained, gradients, sums, exists, strict=True
        ):
            if has_gradient:
                # Into the gradient's own memory: fused optimizers expect the weight's layout.
                parameter.grad = gradient.copy_(total.view(gradient.shape))


ALONE = Replica()
"""The only worker of a run in one process. It needs no process group."""


@dataclass(frozen=True)
class Shard:
    """One worker's part of one training batch."""

    span: slice
    """the samples of the batch to compute on"""
    loss_function: Loss
    weight: float = 1.0
    """factor of this shard's loss in the loss of the batch; 0 if no sample is its own"""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the shard's part of the batch's loss. The parts of all workers sum to it."""
        if self.weight == 1:
            return self.loss_function(outputs, targets)
        if self.weight == 0:
            return outputs.sum() * 0  # the mean over no samples would be NaN
        return self.loss_function(outputs, targets) * self.weight

    def count(self, correct: torch.Tensor) -> torch.Tensor:
        """Return which of the `correct` answers count: none if no sample is this worker's own."""
        return correct if self.weight else torch.zeros_like(correct)


def take_shard(replica: Replica, model: nn.Module, loss_function: Loss, samples: int) -> Shard:
    """Return this worker's shard of a batch of `samples`, for one training step.

    Also tells the model's dropout layers which masks to use.
    """
    if replica.workers == 1:
        return Shard(slice(None), loss_function)
    size = len(range(samples)[replica.shard(samples)])
    span = span_of(replica, model, samples)
    share_masks(model, samples, span)
    weight = loss_function.weight(size) / loss_function.weight(samples) if size else 0.0
    return Shard(span, loss_function, weight)


def span_of(replica: Replica, model: nn.Module, samples: int) -> slice:
    """Return the samples of a batch that this worker computes on: at least one, if possible."""
    span = replica.shard(samples)
    if span.start == span.stop and not _batch_norms(model):
        # Borrow the first sample, since few models accept an empty batch. Batch normalization
        # would count it twice; it accepts empty batches.
        return slice(0, 1)
    return span


def share_masks(model: nn.Module, samples: int, span: slice) -> None:
    """Tell the model's `Dropout` layers that the input is `span` of a batch of `samples`.

    They then use the masks that these samples have on a single worker.
    """
    for module in model.modules():
        if isinstance(module, Dropout):
            module.shard = samples, span


def distribute(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    replica: Replica,
    clock: StepClock,
) -> nn.Module:
    """Return the module that runs the forward pass of training steps.

    After its backward pass, `optimizer` steps with the gradients of the whole batch. `clock` counts
    as communication what the backward pass does not hide, including the wait for slower workers.

    On GPUs, batch normalization in `model` is replaced by `SyncBatchNorm`.

    Raises: ConfigError if the model of `config` does not work with several workers or GPUs.
    """
    if replica.gpus > 1:
        check_shardable(model, config.model, sync_batch_norm=False)
        if config.dropout > 0:
            raise ConfigError(
                f"dropout={config.dropout:g} draws from a generator that is on one GPU: set "
                "dropout=0, or use one process for each GPU"
            )
        return nn.DataParallel(model, list(range(replica.gpus)))
    if replica.workers == 1:
        return model
    on_gpus = next(model.parameters()).is_cuda
    check_shardable(model, config.model, sync_batch_norm=on_gpus)
    if on_gpus:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if replica.strategy == "explicit":

        def sum_gradients(*_: object) -> None:
            clock.lap("compute")
            replica.sum_gradients(model.parameters())
            clock.lap("communication")

        optimizer.register_step_pre_hook(sum_gradients)
        return model

    def sum_bucket(bucket: Any) -> torch.futures.Future[torch.Tensor]:
        # `bucket` is a `GradBucket`, which torch's annotations do not export.
        if bucket.is_last():  # all gradients are computed: what follows is not hidden
            clock.lap("compute")
        work = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
        return work.get_future().then(lambda future: future.value()[0])

    parallel = replica.wrap(
        model,
        # A user's model may have weights that some batches do not use. The search for them costs
        # time, and ours have none.
        find_unused_parameters=config.model not in registry.MODELS,
    )
    # A lambda, because DDP does not know the annotations of `from __future__ import annotations`.
    parallel.register_comm_hook(None, lambda _, bucket: sum_bucket(bucket))
    optimizer.register_step_pre_hook(lambda *_: clock.lap("communication"))
    return parallel


def _batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Return the layers of batch normalization by their path in `model`."""
    return {path: m for path, m in model.named_modules() if isinstance(m, _BatchNorm)}


def check_shardable(model: nn.Module, name: str, *, sync_batch_norm: bool) -> None:
    """Raise `ConfigError` if several workers cannot train `model` as one worker does.

    Batch normalization depends on which samples share a batch, and so do floating-point buffers in
    the checkpoint. With `sync_batch_norm`, `SyncBatchNorm` is going to replace batch normalization:
    PyTorch has it for DDP's processes on GPUs. `name` is the model's name in the message.
    """
    refused = f"model={name} cannot be trained by several workers"
    batch_norms = _batch_norms(model)
    for path, layer in batch_norms.items():
        if not sync_batch_norm:
            raise ConfigError(
                f"{refused}: each would normalize {path} by its own shard of every batch, since "
                "PyTorch's SyncBatchNorm runs only on GPUs and not in DataParallel: use GroupNorm "
                "or LayerNorm, or one worker"
            )
        if not layer.track_running_stats:
            raise ConfigError(
                f"{refused}: without running means, {path} would evaluate by its own shard: use "
                "track_running_stats=True, GroupNorm or LayerNorm, or one worker"
            )
    weights = {parameter for parameter, _ in model.named_parameters(remove_duplicate=False)}
    for path, value in model.state_dict().items():
        floating = isinstance(value, torch.Tensor) and value.is_floating_point()
        if floating and path not in weights and path.rpartition(".")[0] not in batch_norms:
            raise ConfigError(
                f"{refused}: each would compute its own {path} from its shard of every batch: use "
                "register_buffer(..., persistent=False) for constants, or one worker"
            )
