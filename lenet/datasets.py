"""Data sets: found on disk, downloaded, or the user's own; verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from lenet import own_data, registry
from lenet.config import ConfigError, TrainConfig, unknown_name
from lenet.dataset_files import (
    CLASSES,
    DIGITS_TEST_SAMPLES,
    FILES,
    TORCHVISION_CLASSES,
    DataUnavailable,
    find_root,
    missing,
    raw_folder,
    search_path,
    split_sizes,
    verify,
)
from lenet.samples import AnySamples, Samples, first_problem

_SHUFFLE_SEED = 20_221_226


@dataclass(frozen=True)
class Dataset:
    """A whole data set.

    Raises: ConfigError if inputs and targets do not fit each other or the number of classes, or an
    input is not finite.
    """

    name: str
    source: str
    """where it was read from, for the user"""
    train: AnySamples
    """in a shuffled order that never changes"""
    test: AnySamples
    classes: int
    """number of outputs: classes, or values of a regression's target"""

    def __post_init__(self) -> None:
        for split, samples in (("training", self.train), ("test", self.test)):
            problem = first_problem(samples, self.classes) or (
                f"inputs of shape {samples.input_shape} instead of {self.input_shape}, which the "
                "training samples have"
                if samples.input_shape != self.input_shape
                else None
            )
            if problem:
                raise ConfigError(
                    f"data set {self.name} (from {self.source}) cannot be trained on: its {split} "
                    f"samples have {problem}"
                )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input; of an image (channels, height, width)."""
        return self.train.input_shape

    @property
    def classifies(self) -> bool:
        """Whether targets are classes; if not, they are the values of a regression."""
        return self.train.classifies

    def to(self, device: torch.device) -> Dataset:
        """Return the data set on `device`, without a copy if it is there already."""
        if self.train.device == device:
            return self
        return Dataset(
            self.name, self.source, self.train.to(device), self.test.to(device), self.classes
        )

    def split(self, config: TrainConfig) -> tuple[AnySamples, AnySamples]:
        """Return (training samples, validation samples) of `config`, as views of `train`.

        Validation is the tail of the fixed shuffled order, the same for every seed and every
        `train_samples`, and is never trained on.

        Raises: ConfigError if one of the two is empty, unless validation_fraction is 0.
        """
        size, validation = split_sizes(self.name, len(self.train), config)
        return self.train[:size], self.train[len(self.train) - validation :]

    @property
    def sizes(self) -> tuple[int, int]:
        """(samples outside the test set, samples of the test set)."""
        return len(self.train), len(self.test)

    def load(self) -> Dataset:
        """Return this data set, so that callers need not tell it from a `KnownDataset`."""
        return self


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Load the data set `name` (of `registry.DATASETS`), and download it first if necessary.

    "package.module:load" names the user's own function (see `lenet.own_data`).

    A download goes to `data_dir`, or else to the user's cache. It holds a lock, so that processes
    that start together download once.

    Raises: DataUnavailable if the data cannot be downloaded, ConfigError if they are damaged or
    the name is unknown.
    """
    embedded = {"digits": _digits, "line": _line}
    if name in embedded:
        return embedded[name]()
    if registry.is_own(name):
        own = own_data.load(name)
        train = own.train[_order(len(own.train))]
        return Dataset(name, own.source, train, own.test, own.classes)
    if name not in TORCHVISION_CLASSES:
        raise ConfigError(unknown_name(name, registry.DATASETS, "dataset"))
    return _mnist_family(name, data_dir)


def _line() -> Dataset:
    """Create the data of TensorFlow 1's "Getting Started" tutorial: x = 1 ... 4, y = 1 - x.

    The same four points are the test set, as in the tutorial.
    """
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    points = Samples(x.view(4, 1, 1, 1), 1 - x)
    return Dataset("line", "this program", points, points, classes=1)


def _shuffled(inputs: torch.Tensor, targets: torch.Tensor) -> Samples:
    return Samples(inputs, targets)[_order(len(targets))]


def _order(samples: int) -> torch.Tensor:
    """Return the shuffled order that never changes."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(_SHUFFLE_SEED))


def _digits() -> Dataset:
    """Load the UCI digits that scikit-learn ships, scaled from 8x8 to 28x28 (bilinear)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images / 16, dtype=torch.float32).unsqueeze(1)
    inputs = torch.nn.functional.interpolate(
        small, size=(28, 28), mode="bilinear", align_corners=False
    )
    targets = torch.tensor(bunch.target, dtype=torch.int64)
    # The published order groups the digits by writer, so the test set is a random sample.
    samples = _shuffled(inputs, targets)
    cut = len(samples) - DIGITS_TEST_SAMPLES
    return Dataset("digits", "scikit-learn", samples[:cut], samples[cut:], classes=10)


def _mnist_family(name: str, data_dir: Path | None) -> Dataset:
    # Imported only when needed: it takes seconds.
    from torchvision import datasets as torchvision_datasets

    loader = getattr(torchvision_datasets, TORCHVISION_CLASSES[name])
    folders = search_path(data_dir)
    root = find_root(name, data_dir)
    if root is None:
        partial = next((folder for folder in folders if raw_folder(folder, name).is_dir()), None)
        root = partial or folders[-1]
        _download(loader, name, root, searched=folders)
    for file in FILES:
        verify(name, raw_folder(root, name) / file, dict(loader.resources).get(f"{file}.gz"))
    splits = [loader(root, train=train) for train in (True, False)]
    train, test = (
        (split.data.unsqueeze(1).to(torch.float32).div_(255), split.targets) for split in splits
    )
    source = str(raw_folder(root, name))
    return Dataset(name, source, _shuffled(*train), Samples(*test), classes=CLASSES)


def _download(loader: type, name: str, root: Path, searched: list[Path]) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            loader(root, download=True)  # does nothing if another process was first
    except (OSError, RuntimeError) as error:
        folder = raw_folder(root, name)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        absent = missing(root, name)
        if len(absent) < len(FILES):
            raise ConfigError(
                f"{folder / absent[0]} is missing and could not be downloaded ({reason}): put "
                "it there, or use --set dataset=digits, which needs no download"
            ) from error
        raise DataUnavailable(
            f"{name} is not in {', '.join(map(str, searched))} and could not be downloaded "
            f"({reason})",
            f"put its files into {folder}, or use --set dataset=digits, which needs no download",
        ) from error
