"""The three multilayer perceptrons of the Flux.jl articles: 4LS, 3LS and 2LR.

The report prints no layer sizes. 4LS and 3LS are from the article that it continues, "Flux.jl on
MNIST - Variations of a theme". The size of 2LR is a reconstruction.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn


class _FluxPerceptron(nn.Module):
    """Dense layers from the pixels to the classes, with `hidden` units in between.

    Weights and biases start as in Flux's `Dense`: weights Glorot-uniform (Glorot & Bengio, 2010),
    biases 0.
    """

    hidden: ClassVar[tuple[int, ...]]

    def __init__(self, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        sizes = (math.prod(input_shape), *self.hidden, classes)
        layers = [nn.Linear(m, n) for m, n in itertools.pairwise(sizes)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)


class FourLayerSigmoid(_FluxPerceptron):
    """4LS: pixels, 16, 16, `classes`, with a sigmoid after each layer. The name counts the input.

    It has 13,002 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> activations in (0, 1), (batch, classes).
    """

    hidden: ClassVar[tuple[int, ...]] = (16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return x


class ThreeLayerSigmoid(FourLayerSigmoid):
    """3LS: pixels, 60, `classes`, with a sigmoid after each layer. The name counts the input.

    It has 47,710 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> activations in (0, 1), (batch, classes).
    """

    hidden: ClassVar[tuple[int, ...]] = (60,)


class TwoLayerRelu(_FluxPerceptron):
    """2LR: pixels, 32 with ReLU, `classes`. It has 25,450 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> logits (batch, classes).

    The size is a reconstruction. Flux's MNIST example with ReLU has 32 hidden units
    (`vision/mnist/mlp.jl` in its model zoo). A net without a hidden layer cannot reach the report's
    97.0 %.
    """

    hidden: ClassVar[tuple[int, ...]] = (32,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.layers
        return second(F.relu(first(x.flatten(1))))
