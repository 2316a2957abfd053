"""Data sets as whole tensors: found on disk or downloaded, and verified."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from lenet.config import ConfigError, TrainConfig

# md5 of the unpacked files. torchvision verifies only archives, and accepts any unpacked file. No
# such digests are published for the other two data sets: their files are verified against the
# archive, if it is still there.
_RAW_MD5 = {
    ("mnist", "train-images-idx3-ubyte"): "6bbc9ace898e44ae57da46a324031adb",
    ("mnist", "train-labels-idx1-ubyte"): "a25bea736e30d166cdddb491f175f624",
    ("mnist", "t10k-images-idx3-ubyte"): "2646ac647ad5339dbf082846283269ea",
    ("mnist", "t10k-labels-idx1-ubyte"): "27ae3e4e09519cfbb04c329615203637",
}
_RAW_BYTES = {
    "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
    "train-labels-idx1-ubyte": 8 + 60_000,
    "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
    "t10k-labels-idx1-ubyte": 8 + 10_000,
}
_TORCHVISION_CLASS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}

_SHUFFLE_SEED = 20_221_226
_DIGITS_TEST_SAMPLES = 297


class DataUnavailable(ConfigError):
    """Data that are not on this machine and cannot be downloaded."""


@dataclass(frozen=True)
class Samples:
    """Inputs and targets of n samples."""

    inputs: torch.Tensor
    """float32 (n, channels, height, width), pixels in [0, 1]"""
    targets: torch.Tensor
    """(n,), classes as int64, or the values of a regression as float32"""

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, selection: slice | torch.Tensor) -> Samples:
        """Select by slice (a view), or by a tensor of indices (a copy)."""
        return Samples(self.inputs[selection], self.targets[selection])

    def to(self, device: torch.device) -> Samples:
        """Return the samples on `device`, without a copy if they are there already."""
        return Samples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Dataset:
    """A whole data set."""

    name: str
    source: str
    """where it was read from, for the user"""
    train: Samples
    """in a shuffled order that never changes"""
    test: Samples
    classes: int
    """number of classes; 1 for a regression"""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one input: (channels, height, width)."""
        channels, height, width = self.train.inputs.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> Dataset:
        """Return the data set on `device`, without a copy if it is there already."""
        return Dataset(
            self.name, self.source, self.train.to(device), self.test.to(device), self.classes
        )

    def split(self, config: TrainConfig) -> tuple[Samples, Samples]:
        """Return (training samples, validation samples) of `config`, as views of `train`.

        Validation is the tail of the fixed shuffled order, the same for every seed and every
        `train_samples`, and is never trained on.

        Raises: ConfigError if one of the two is empty, unless validation_fraction is 0.
        """
        validation = round(len(self.train) * config.validation_fraction)
        rest = len(self.train) - validation
        if not rest or (config.validation_fraction and not validation):
            raise ConfigError(
                f"validation_fraction={config.validation_fraction:g} of the {len(self.train)} "
                f"training samples of {self.name} leaves {rest} to train on and {validation} to "
                "validate with: both need at least one, or set validation_fraction=0"
            )
        size = min(rest, config.train_samples or rest)
        return self.train[:size], self.train[rest:]


def search_path(data_dir: Path | None) -> list[Path]:
    """Return the folders to search for data sets, in order.

    These are `data_dir`, $STUDY_DATA_DIR, ./data and the user's cache.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lenet-study"
    configured = [data_dir, os.environ.get("STUDY_DATA_DIR")]
    return [Path(folder).expanduser() for folder in configured if folder] + [Path("data"), cache]


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Load the data set `name` (of `registry.DATASETS`), and download it first if necessary.

    A download goes to `data_dir`, or else to the user's cache. It holds a lock, so that processes
    that start together download once.

    Raises: DataUnavailable if the data cannot be downloaded, ConfigError if they are damaged.
    """
    embedded = {"digits": _digits, "line": _line}
    if name in embedded:
        return embedded[name]()
    return _mnist_family(name, data_dir)


def _line() -> Dataset:
    """Create the data of TensorFlow 1's "Getting Started" tutorial: x = 1 ... 4, y = 1 - x.

    The same four points are the test set, as in the tutorial.
    """
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    points = Samples(x.view(4, 1, 1, 1), 1 - x)
    return Dataset("line", "this program", points, points, classes=1)


def _shuffled(inputs: torch.Tensor, targets: torch.Tensor) -> Samples:
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(_SHUFFLE_SEED))
    return Samples(inputs[order], targets[order])


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
    cut = len(samples) - _DIGITS_TEST_SAMPLES
    return Dataset("digits", "scikit-learn", samples[:cut], samples[cut:], classes=10)


def _mnist_family(name: str, data_dir: Path | None) -> Dataset:
    # Imported only when needed: it takes seconds.
    from torchvision import datasets as torchvision_datasets

    loader = getattr(torchvision_datasets, _TORCHVISION_CLASS[name])
    folders = search_path(data_dir)
    root = next((folder for folder in folders if not _missing(folder, name)), None)
    if root is None:
        partial = next((folder for folder in folders if _raw_folder(folder, name).is_dir()), None)
        root = partial or data_dir or folders[-1]
        _download(loader, name, root, searched=folders)
    for file in _RAW_BYTES:
        _verify(name, _raw_folder(root, name) / file, dict(loader.resources).get(f"{file}.gz"))
    splits = [loader(root, train=train) for train in (True, False)]
    train, test = (
        (split.data.unsqueeze(1).to(torch.float32).div_(255), split.targets) for split in splits
    )
    source = str(_raw_folder(root, name))
    return Dataset(name, source, _shuffled(*train), Samples(*test), classes=10)


def _raw_folder(root: Path, name: str) -> Path:
    return root / _TORCHVISION_CLASS[name] / "raw"


def _missing(root: Path, name: str) -> list[str]:
    """Return the files of the data set `name` that are not under `root`."""
    return [file for file in _RAW_BYTES if not (_raw_folder(root, name) / file).is_file()]


def _download(loader: type, name: str, root: Path, searched: list[Path]) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            loader(root, download=True)  # does nothing if another process was first
    except (OSError, RuntimeError) as error:
        folder = _raw_folder(root, name)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        missing = _missing(root, name)
        if len(missing) < len(_RAW_BYTES):
            raise ConfigError(
                f"{folder / missing[0]} is missing and could not be downloaded ({reason}): put "
                "it there, or use --set dataset=digits, which needs no download"
            ) from error
        raise DataUnavailable(
            f"{name} is not in {', '.join(map(str, searched))} and could not be "
            f"downloaded ({reason}): put its files into {folder}, or use "
            "--set dataset=digits, which needs no download"
        ) from error


def _verify(name: str, file: Path, archive_md5: str | None) -> None:
    """Raise `ConfigError` if `file` has the wrong size, or the wrong digest if one is known."""
    remedy = f"delete {file.parent} to download it again, or restore the file"
    size = file.stat().st_size
    if size != _RAW_BYTES[file.name]:
        raise ConfigError(
            f"{file} has {size:,} bytes instead of {_RAW_BYTES[file.name]:,}: {remedy}"
        )
    expected = _RAW_MD5.get((name, file.name))
    archive = file.with_name(f"{file.name}.gz")
    if expected is None and archive.is_file() and _md5(_chunks(archive)) == archive_md5:
        with gzip.open(archive) as unpacked:
            expected = _md5(iter(lambda: unpacked.read(1 << 20), b""))
    if expected is not None and _md5(_chunks(file)) != expected:
        raise ConfigError(f"{file} is not the published file (its md5 differs): {remedy}")


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from iter(lambda: opened.read(1 << 20), b"")


def _md5(chunks: Iterator[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
