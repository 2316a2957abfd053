"""Softmax regression: TensorFlow 1's tutorial "MNIST for ML Beginners"."""

from __future__ import annotations

import math

import torch
from torch import nn

from lenet.config import ConfigError


class SoftmaxRegression(nn.Module):
    """One linear layer from the pixels to the classes, everything 0 at the start as in the
    tutorial. 7,850 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> logits (batch, classes).

    It is here because exercise 2 of the UPC report gives, for a convolutional net, the
    accuracies that this one reaches (0.90 - 0.92). Its loss is convex: it trains from 0, and
    the seed acts through the order of the samples alone.

    Raises `ConfigError` for dropout, of which it has none.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, int, int],
        classes: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if dropout > 0:
            raise ConfigError("model=softmax has no dropout layers: set dropout=0, or use lenet")
        self.linear = nn.Linear(math.prod(input_shape), classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1))
