"""Training throughput of one trial on one core, compared with the loop of most tutorials.

    python -m benchmarks.training_throughput [--rounds 40] [--steps 10] [--batch-size 128]

Three loops train the same network (LeNet, 61,706 weights) on MNIST, in one process with one torch
thread. They take turns, one block of steps each, so that other load slows all of them equally.
Ratios compare neighboring blocks. CPU time, shown beside wall-clock time, excludes the time when
another process had the core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision import transforms

from benchmarks.machine import header, median_interval, typed_command
from lenet import TrainConfig, datasets
from lenet.training import Run, train

BASELINE = "torchvision DataLoader loop"
MIDDLE = "same loop, tensors in memory"
OURS = "lenet.training"
TARGET = 2.3
LEARNING_RATES = {"sgd": 0.1, "adam": 0.001}
WARM_UP_BLOCKS = 2

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]


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


def from_loader(root: Path, batch_size: int) -> Batches:
    """Yield batches as torchvision's examples do: image by image, on demand."""
    # Padding the PIL image before ToTensor is faster than padding the tensor.
    to_input = transforms.Compose([transforms.Pad(2), transforms.ToTensor()])
    mnist = torchvision.datasets.MNIST(root, train=True, transform=to_input)
    loader: Iterable[tuple[torch.Tensor, torch.Tensor]] = torch.utils.data.DataLoader(
        mnist, batch_size=batch_size, shuffle=True, num_workers=0
    )
    while True:
        yield from loader


def from_memory(dataset: datasets.Dataset, batch_size: int) -> Batches:
    """Yield the same batches from one tensor of padded images."""
    samples = dataset.train.load()
    images, labels = F.pad(samples.inputs, (2, 2, 2, 2)), samples.targets
    while True:
        for batch in torch.randperm(len(images)).split(batch_size):
            yield images[batch], labels[batch]


def ordinary_loop(batches: Batches, optimizer_name: str, steps: int) -> Iterator[int]:
    """Train as tutorials do; yield the number of samples of every `steps` steps."""
    model = PublishedLeNet()
    lr = LEARNING_RATES[optimizer_name]
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(model.parameters(), lr=lr)
        if optimizer_name == "sgd"
        else torch.optim.Adam(model.parameters(), lr=lr)
    )
    criterion = nn.CrossEntropyLoss()
    model.train()
    while True:
        running_loss, samples = 0.0, 0
        for _ in range(steps):
            images, labels = next(batches)
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            samples += len(labels)
        yield samples


def our_loop(dataset: datasets.Dataset, config: TrainConfig) -> Iterator[int]:
    """Train with the project's loop; yield the number of samples of every record."""
    previous = 0
    for record in train(Run(config, dataset)):
        yield record.samples - previous
        previous = record.samples


@dataclass(frozen=True)
class Rates:
    """Samples per second of one block."""

    wall: float
    cpu: float


def measure(loops: dict[str, Iterator[int]], rounds: int) -> dict[str, list[Rates]]:
    """Run a block of every loop in turn, `rounds` times. Entry i of each list is round i."""
    rates: dict[str, list[Rates]] = {name: [] for name in loops}
    for number in range(-WARM_UP_BLOCKS, rounds):
        for name, loop in loops.items():
            wall, cpu = time.perf_counter(), time.process_time()
            samples = next(loop)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if number >= 0:
                rates[name].append(Rates(samples / wall, samples / cpu))
    return rates


def print_table(optimizer: str, rates: dict[str, list[Rates]]) -> None:
    """Print the table of one optimizer."""
    print(f"\n{optimizer:<30}{'samples/s':>22}{'ratio, wall clock':>24}{'ratio, CPU time':>24}")
    clocks: tuple[Callable[[Rates], float], ...] = (lambda r: r.wall, lambda r: r.cpu)
    ratio = 0.0
    for name, blocks in rates.items():
        median, low, high = median_interval([block.wall for block in blocks])
        line = f"{name:<30}{f'{median:,.0f} [{low:,.0f}, {high:,.0f}]':>22}"
        for clock in clocks:
            pairs = zip(blocks, rates[BASELINE], strict=True)
            ratio, low, high = median_interval([clock(one) / clock(base) for one, base in pairs])
            line += f"{f'{ratio:.2f} [{low:.2f}, {high:.2f}]':>24}"
            if clock is clocks[0]:
                wall_ratio = ratio
        print(line)
    verdict = "met" if wall_ratio >= TARGET else "missed"
    print(f"target {TARGET}x of the {BASELINE}: {verdict} ({wall_ratio:.2f}x)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_throughput")
    parser.add_argument("--rounds", type=int, default=40, help="blocks of every loop")
    parser.add_argument("--steps", type=int, default=10, help="steps in a block")
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    folders = datasets.search_path(None)
    root = next((folder for folder in folders if (folder / "MNIST" / "raw").is_dir()), None)
    title = f"Training throughput of one LeNet trial, MNIST, batch {options.batch_size}, one thread"
    print(header(title, typed_command("training_throughput")))
    if root is None:
        print(f"not measured: MNIST is not in {', '.join(map(str, folders))}")
        return 0
    torch.set_num_threads(1)
    dataset = datasets.load("mnist", root)
    print(
        f"{options.rounds} rounds of {options.steps} steps; medians over blocks with 95 % "
        "bootstrap intervals,\nratios paired by round"
    )
    for optimizer, lr in LEARNING_RATES.items():
        config = TrainConfig(
            optimizer=optimizer,
            lr=lr,
            batch_size=options.batch_size,
            record_every=options.steps,
            epochs=10_000,  # never reached
            validation_fraction=1e-4,  # keeps evaluation out of the comparison
        )
        loops = {
            BASELINE: ordinary_loop(
                from_loader(root, options.batch_size), optimizer, options.steps
            ),
            MIDDLE: ordinary_loop(
                from_memory(dataset, options.batch_size), optimizer, options.steps
            ),
            OURS: our_loop(dataset, config),
        }
        print_table(optimizer, measure(loops, options.rounds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
