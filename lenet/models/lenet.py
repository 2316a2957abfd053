"""LeNet with ReLU and max pooling: code block 1 of Fan's report."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lenet.models.dropout import Dropout
from lenet.models.pooling import max_pool_2x2


class LeNet(nn.Module):
    """conv 6@5x5, pool, conv 16@5x5, pool, fc 120, fc 84, fc `classes`.

    It has 61,706 weights for one channel and ten classes. `width` multiplies the channels and
    hidden units of all layers but the last.

    forward: float32 (batch, channels, 28, 28) with pixels in [0, 1] -> logits (batch, classes).

    The report's network reads digits padded to 32x32. The background of the images is 0, so padding
    in the first convolution gives the same values and moves a quarter less memory. Dropout, which
    the report does not use, precedes the last two layers.
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
        self.conv1 = nn.Conv2d(channels, 6 * width, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6 * width, 16 * width, kernel_size=5)
        pixels = ((rows // 2 - 4) // 2) * ((columns // 2 - 4) // 2)
        self.fc1 = nn.Linear(16 * width * pixels, 120 * width)
        self.fc2 = nn.Linear(120 * width, 84 * width)
        self.fc3 = nn.Linear(84 * width, classes)
        self.dropout = Dropout(dropout, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Pooling before ReLU gives the same values and gradients, since both are monotone, with a
        # quarter of the ReLUs.
        x = F.relu(max_pool_2x2(self.conv1(x)))
        x = F.relu(max_pool_2x2(self.conv2(x)))
        x = x.flatten(1)
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        return self.fc3(x)
