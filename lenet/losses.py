"""Losses by name (`lenet.registry.LOSSES`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Loss:
    """What training lessens: (outputs, targets) of a batch -> a scalar."""

    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    summed: bool = False
    """the scalar is the sum over the batch, not its mean, and so are the gradients"""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.function(outputs, targets)

    def weight(self, samples: int) -> int:
        """What a batch of so many samples counts in a mean over batches."""
        return 1 if self.summed else samples


def count_right(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """How many of a batch's samples got their class, int64; of a regression none are right
    or wrong, which is 0 here."""
    if targets.is_floating_point():
        return torch.zeros((), dtype=torch.int64, device=outputs.device)
    return (outputs.argmax(1) == targets).sum()


def _mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    one_hot = F.one_hot(targets, outputs.shape[1])
    return F.mse_loss(outputs, one_hot.to(outputs.dtype))


def _sum_of_squares(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs.squeeze(1) - targets).square().sum()


CROSS_ENTROPY = Loss(F.cross_entropy)
"""Of logits float32 (batch, classes) against classes int64 (batch,); the mean, in nats."""

MEAN_SQUARED_ERROR = Loss(_mean_squared_error)
"""Between outputs float32 (batch, classes) and one-hot classes, meaned over the classes too, as
Flux.jl does."""

SUM_OF_SQUARES = Loss(_sum_of_squares, summed=True)
"""Between outputs float32 (batch, 1) and values float32 (batch,), summed over the batch, as in
TensorFlow 1's first tutorial: a gradient is as many times that of the mean as there are samples."""
