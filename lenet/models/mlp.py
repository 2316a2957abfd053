"""The three multilayer perceptrons of the Flux.jl articles, by their names.

The report itself prints no widths. 4LS and 3LS are the nets of the article that it continues,
"Flux.jl on MNIST - Variations of a theme"; the width of 2LR is a reconstruction.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from lenet.config import ConfigError


class _FluxPerceptron(nn.Module):
    """Dense layers from the pixels over `hidden` units to the classes, initialised as Flux's
    `Dense` does: Glorot-uniform weights (Glorot & Bengio, 2010), biases 0.

    Raises `ConfigError` for dropout, of which it has none.
    """

    name: ClassVar[str]
    hidden: ClassVar[tuple[int, ...]]

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
            raise ConfigError(
                f"model={self.name} has no dropout layers: set dropout=0, or use lenet"
            )
        widths = (math.prod(input_shape), *self.hidden, classes)
        layers = [nn.Linear(m, n) for m, n in itertools.pairwise(widths)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)


class FourLayerSigmoid(_FluxPerceptron):
    """4LS: pixels, 16, 16, `classes`, a sigmoid after each layer; the input counts as one of
    the four. 13,002 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> activations in (0, 1), (batch, classes).
    """

    name = "4ls"
    hidden: ClassVar[tuple[int, ...]] = (16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return x


class ThreeLayerSigmoid(FourLayerSigmoid):
    """3LS: pixels, 60, `classes`, a sigmoid after each layer; the input counts as one of the
    three. 47,710 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> activations in (0, 1), (batch, classes).
    """

    name = "3ls"
    hidden: ClassVar[tuple[int, ...]] = (60,)


class TwoLayerRelu(_FluxPerceptron):
    """2LR: pixels, 32 with ReLU, `classes`. 25,450 weights for 784 pixels and ten classes.

    forward: float32 (batch, channels, height, width) -> logits (batch, classes).

    A reconstruction: 32 is the width of the MNIST example with ReLU in Flux's model zoo
    (`vision/mnist/mlp.jl`), and a net without any hidden layer cannot reach the 97.0 % that
    the report gives for this one.
    """

    name = "2lr"
    hidden: ClassVar[tuple[int, ...]] = (32,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.layers
        return second(F.relu(first(x.flatten(1))))
