"""The baseline of the rows that train LeNet: a plain PyTorch script with torchvision's DataLoader.

The net is Fan's code block 1, unchanged; the loop is the one of most tutorials.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision import transforms

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]

TEST_SAMPLES = 10_000


class PublishedLeNet(nn.Module):
    """Code block 1 of Fan's report, unchanged. It reads 32x32 images."""

    def __init__(self, input_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(x, kernel_size=2, stride=2)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, kernel_size=2, stride=2)
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def loader(root: Path, batch_size: int, *, train: bool) -> Batches:
    """Return batches as torchvision's examples load them: image by image, on demand."""
    # Padding the PIL image before ToTensor is faster than padding the tensor.
    to_input = transforms.Compose([transforms.Pad(2), transforms.ToTensor()])
    mnist = torchvision.datasets.MNIST(root, train=train, transform=to_input)
    found: Batches = torch.utils.data.DataLoader(
        mnist, batch_size=batch_size, shuffle=train, num_workers=0
    )
    return found


class Script:
    """One training run of the script."""

    def __init__(self, root: Path, optimizer: str, lr: float, batch_size: int) -> None:
        self._batches = self._forever(loader(root, batch_size, train=True))
        self._held_out = loader(root, 1_000, train=False)
        self._model = PublishedLeNet()
        self._optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(self._model.parameters(), lr=lr)
            if optimizer == "sgd"
            else torch.optim.Adam(self._model.parameters(), lr=lr)
        )
        self._criterion = nn.CrossEntropyLoss()

    @staticmethod
    def _forever(batches: Batches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from batches

    def train(self, steps: int) -> int:
        """Train as tutorials do; return the number of samples."""
        self._model.train()
        running_loss, samples = 0.0, 0
        for _ in range(steps):
            images, labels = next(self._batches)
            self._optimizer.zero_grad()
            loss = self._criterion(self._model(images), labels)
            loss.backward()
            self._optimizer.step()
            running_loss += loss.item()
            samples += len(labels)
        return samples

    def evaluate(self, samples: int) -> float:
        """Return the accuracy on the first `samples` test images."""
        self._model.eval()
        correct = seen = 0
        with torch.no_grad():
            for images, labels in self._held_out:
                correct += int((self._model(images).argmax(1) == labels).sum())
                seen += len(labels)
                if seen >= samples:
                    break
        return correct / seen
