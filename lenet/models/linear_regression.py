"""LinearRegression: the line of TensorFlow 1's "Getting Started" tutorial."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from lenet.config import ConfigError


class LinearRegression(nn.Module):
    """y = W x + b with one input and one output.

    As in the tutorial, W starts from 0.3 and b from -0.3, whatever the seed.

    forward: float32 (batch, 1, 1, 1) -> (batch, 1).

    Raises: ConfigError for more than one input or output.
    """

    def __init__(self, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        if math.prod(input_shape) != 1 or classes != 1:
            raise ConfigError(
                "model=linear is a line with one input and one output, "
                f"not {math.prod(input_shape)} and {classes}: use softmax"
            )
        self.linear = nn.Linear(1, 1)
        nn.init.constant_(self.linear.weight, 0.3)
        nn.init.constant_(self.linear.bias, -0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1))

    def observed(self) -> Mapping[str, float]:
        """Return W and b for the records."""
        return {"W": self.linear.weight.item(), "b": self.linear.bias.item()}
