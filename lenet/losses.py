"""Losses by name (`lenet.registry.LOSSES`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from lenet import registry
from lenet.config import TrainConfig
from lenet.loading import load_object, load_own, own_keywords


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


def build_loss(config: TrainConfig) -> Loss:
    """Return the loss of `config`.

    Your own loss is a function of a batch's outputs and targets that returns a scalar, the mean
    over the samples. If it returns their sum, name a `Loss(function, summed=True)`.

    Raises: ConfigError if it cannot be loaded, or does not take a keyword that is set.
    """
    if not registry.is_own(config.loss):
        loss: Loss = load_object(registry.LOSSES[config.loss])
        return loss
    found = load_own(config, "loss")
    own = found if isinstance(found, Loss) else Loss(found)
    keywords = own_keywords(config, "loss", own.function, {})
    return Loss(functools.partial(own.function, **keywords), own.summed) if keywords else own


def count_correct(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return how many samples are classified correctly, as an int64 scalar; 0 for a regression.

    outputs: float32 (batch, classes). targets: int64 (batch,), or float32 for a regression.
    """
    if targets.is_floating_point():
        return torch.zeros((), dtype=torch.int64, device=outputs.device)
    return (outputs.argmax(1) == targets).sum()


def _mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if targets.is_floating_point():
        return F.mse_loss(outputs, targets.view_as(outputs))
    # `F.one_hot` reads the targets' range, which would make the CPU wait for a GPU.
    one_hot = torch.zeros_like(outputs).scatter_(1, targets.unsqueeze(1), 1.0)
    return F.mse_loss(outputs, one_hot)


def _sum_of_squares(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs - targets.view_as(outputs)).square().sum()


CROSS_ENTROPY = Loss(F.cross_entropy)
"""Mean cross-entropy in nats, of logits float32 (batch, classes) and classes int64 (batch,)."""

MEAN_SQUARED_ERROR = Loss(_mean_squared_error)
"""Mean squared error between outputs float32 (batch, classes) and one-hot classes.

The mean is over samples and classes, as in Flux.jl. For a regression, it is over samples and values
of the target.
"""

SUM_OF_SQUARES = Loss(_sum_of_squares, summed=True)
"""Sum of squared errors between outputs float32 (batch, values) and the target's values.

As in TensorFlow 1's first tutorial. Its gradient is the mean's times the number of samples.
"""
