"""DeepMnist: the network of TensorFlow 1's tutorial "Deep MNIST for Experts"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lenet.models.dropout import Dropout
from lenet.models.pooling import max_pool_2x2


class DeepMnist(nn.Module):
    """conv 32@5x5, ReLU, max pool 2; conv 64@5x5, ReLU, max pool 2; fc 1024, ReLU, dropout;
    fc `classes`. Both convolutions preserve the image size.

    It has 3,274,634 weights for 28x28 images of one channel and ten classes. `width` multiplies the
    channels and hidden units of all layers but the last.

    forward: float32 (batch, channels, height, width) -> logits (batch, classes).

    As in the tutorial, weights start from a normal distribution of standard deviation 0.1,
    truncated at two of them, and biases at 0.1. The tutorial uses dropout 0.5.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, int, int],
        classes: int,
        dropout: float,
        generator: torch.Generator,
        width: int = 1,
    ) -> None:
        super().__init__()
        channels, rows, columns = input_shape
        pixels = (rows // 4) * (columns // 4)
        self.conv1 = nn.Conv2d(channels, 32 * width, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(32 * width, 64 * width, kernel_size=5, padding=2)
        self.fc1 = nn.Linear(64 * width * pixels, 1024 * width)
        self.fc2 = nn.Linear(1024 * width, classes)
        self.dropout = Dropout(dropout, generator)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.constant_(layer.bias, 0.1)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Pooling before ReLU gives the same values and gradients, since both are monotone, with a
        # quarter of the ReLUs.
        x = F.relu(max_pool_2x2(self.conv1(x)))
        x = F.relu(max_pool_2x2(self.conv2(x)))
        x = self.dropout(F.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)
