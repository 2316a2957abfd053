"""Losses by name (`lenet.registry.LOSSES`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Loss:
    """A training loss: a function of a batch's outputs and targets that returns a scalar."""

    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    summed: bool = False
    """the scalar is the sum over the batch, not its mean, and so are the gradients"""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.function(outputs, targets)

    def weight(self, samples: int) -> int:
        """Return the weight of a batch of `samples` in a mean over batches."""
        return 1 if self.summed else samples


def count_correct(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return how many samples get their class, as an int64 scalar; 0 for a regression.

    outputs: float32 (batch, classes). targets: int64 (batch,), or float32 for a regression.
    """
    if targets.is_floating_point():
        return torch.zeros((), dtype=torch.int64, device=outputs.device)
    return (outputs.argmax(1) == targets).sum()


def _mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    one_hot = F.one_hot(targets, outputs.shape[1])
    return F.mse_loss(outputs, one_hot.to(outputs.dtype))


def _sum_of_squares(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs.squeeze(1) - targets).square().sum()


CROSS_ENTROPY = Loss(F.cross_entropy)
"""Mean cross-entropy in nats, of logits float32 (batch, classes) and classes int64 (batch,)."""

MEAN_SQUARED_ERROR = Loss(_mean_squared_error)
"""Mean squared error between outputs float32 (batch, classes) and one-hot classes.

The mean is over samples and classes, as in Flux.jl.
"""

SUM_OF_SQUARES = Loss(_sum_of_squares, summed=True)
"""Sum of squared errors between outputs float32 (batch, 1) and values float32 (batch,).

As in TensorFlow 1's first tutorial. Its gradient is the mean's times the number of samples.
"""
