"""SoftmaxRegression: the model of TensorFlow 1's tutorial "MNIST for ML Beginners"."""

from __future__ import annotations

import math

import torch
from torch import nn


class SoftmaxRegression(nn.Module):
    """One linear layer from the pixels to the classes.

    It has 7,850 weights for 784 pixels and ten classes. As in the tutorial, all of them start at 0.
    The loss is convex, and the seed only affects the order of the samples.

    forward: float32 (batch, channels, height, width) -> logits (batch, classes).

    It is here because exercise 2 of the UPC report gives accuracies of 0.90 to 0.92 for a
    convolutional net, which are what softmax regression reaches.
    """

    def __init__(self, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(input_shape), classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1))
