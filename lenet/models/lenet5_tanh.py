"""LeNet-5 with tanh and average pooling: the network of the CS5260 report."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

_SIZE = (32, 32)
"""height and width of the images that the first convolution reads"""


class LeNet5Tanh(nn.Module):
    """scale to 32x32; conv 6@5x5, tanh, average pool 2; conv 16@5x5, tanh, average pool 2;
    conv 120@5x5, tanh; fc 84, tanh; fc `classes`. It has 61,706 weights for one channel and ten
    classes.

    forward: float32 (batch, channels, height, width) with pixels in [0, 1] -> logits
    (batch, classes).

    This is the network of Colossal-AI's MNIST notebook, after LeCun et al., "Gradient-based
    learning applied to document recognition" (1998). The original also has trainable pooling,
    sparse connections in its second convolution, a scaled tanh and an RBF output layer. It pads its
    images to 32x32. The notebook and the report's code stretch them (bilinear), so the digits are
    larger.
    """

    def __init__(self, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, _, _ = input_shape
        self.conv1 = nn.Conv2d(channels, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.conv3 = nn.Conv2d(16, 120, kernel_size=5)
        self.fc1 = nn.Linear(120, 84)
        self.fc2 = nn.Linear(84, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(x, size=_SIZE, mode="bilinear")
        # Average pooling is linear, so tanh must come first.
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.conv3(x)).flatten(1)
        x = torch.tanh(self.fc1(x))
        return self.fc2(x)
