"""Data sets: found or downloaded once, checked, and turned into whole tensors."""

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

# md5 of the unpacked files. torchvision knows only the archives' and takes whatever lies
# unpacked in their place. For the two other data sets no digests of the unpacked files are
# published; there, an archive kept beside a file vouches for it.
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


class DataError(ConfigError):
    """Data that are missing, cut short or altered; says what to do about it."""


class DataUnavailable(DataError):
    """Data that are neither on this machine nor to be downloaded."""


@dataclass(frozen=True)
class Samples:
    """`inputs` float32 (n, channels, height, width), pixels in [0, 1]; `targets` (n,), classes
    as int64, or the values of a regression as float32."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, span: slice) -> Samples:
        return Samples(self.inputs[span], self.targets[span])

    def to(self, device: torch.device) -> Samples:
        """The same samples on `device`; no copy if they are there already."""
        return Samples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Dataset:
    """A data set whole: training samples in a fixed shuffled order, and test samples."""

    name: str
    source: str
    """where it was read from, for people"""
    train: Samples
    test: Samples
    classes: int
    """1 for a regression"""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""
        channels, height, width = self.train.inputs.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> Dataset:
        """The same data set on `device`."""
        return Dataset(
            self.name, self.source, self.train.to(device), self.test.to(device), self.classes
        )

    def split(self, config: TrainConfig) -> tuple[Samples, Samples]:
        """(training samples, validation samples) of `config`, as views of `train`.

        Validation is the tail of the fixed shuffled order, so that it is the same for every
        seed and every `train_samples`, and never overlaps what is trained on. Raises
        `ConfigError` if one of the two would be empty though it is asked for.
        """
        held_out = round(len(self.train) * config.validation_fraction)
        rest = len(self.train) - held_out
        if not rest or (config.validation_fraction and not held_out):
            raise ConfigError(
                f"validation_fraction={config.validation_fraction:g} of the {len(self.train)} "
                f"training samples of {self.name} leaves {rest} to train on and {held_out} to "
                "validate with: both need at least one, or set validation_fraction=0"
            )
        kept = min(rest, config.train_samples or rest)
        return self.train[:kept], self.train[rest:]


def search_path(data_dir: Path | None) -> list[Path]:
    """Where data sets are looked for, in order: `data_dir`, $STUDY_DATA_DIR, ./data, the
    user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lenet-study"
    given = [data_dir, os.environ.get("STUDY_DATA_DIR")]
    return [Path(place).expanduser() for place in given if place] + [Path("data"), cache]


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """The data set `name` (of `registry.DATASETS`), downloaded first if it is nowhere.

    A download goes to `data_dir`, or else to the user's cache, under a lock, so that
    processes started together download once. Raises `DataUnavailable` if the data cannot
    be had, and `DataError` if they are not what was published.
    """
    embedded = {"digits": _digits, "line": _line}
    if name in embedded:
        return embedded[name]()
    return _mnist_family(name, data_dir)


def _line() -> Dataset:
    """The four points of TensorFlow 1's "Getting Started" tutorial, x = 1 ... 4 and y = 1 - x.
    There are no others: what is fitted is also what it is tested on, as in the tutorial."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    points = Samples(x.view(4, 1, 1, 1), 1 - x)
    return Dataset("line", "this program", points, points, classes=1)


def _shuffled(inputs: torch.Tensor, targets: torch.Tensor) -> Samples:
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(_SHUFFLE_SEED))
    return Samples(inputs[order], targets[order])


def _digits() -> Dataset:
    """UCI digits as scikit-learn ships them, 8x8 scaled up (bilinear) to 28x28."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.tensor(bunch.images / 16, dtype=torch.float32).unsqueeze(1)
    inputs = torch.nn.functional.interpolate(
        small, size=(28, 28), mode="bilinear", align_corners=False
    )
    targets = torch.tensor(bunch.target, dtype=torch.int64)
    # The published order has runs of one writer; the split is drawn at random, once.
    samples = _shuffled(inputs, targets)
    cut = len(samples) - _DIGITS_TEST_SAMPLES
    return Dataset("digits", "scikit-learn", samples[:cut], samples[cut:], classes=10)


def _mnist_family(name: str, data_dir: Path | None) -> Dataset:
    # torchvision takes seconds to import: not before a data set of its kind is asked for.
    from torchvision import datasets as torchvision_datasets

    kind = getattr(torchvision_datasets, _TORCHVISION_CLASS[name])
    places = search_path(data_dir)
    root = next((place for place in places if not _missing(place, name)), None)
    if root is None:
        begun = next((place for place in places if _raw_folder(place, name).is_dir()), None)
        root = begun or data_dir or places[-1]
        _download(kind, name, root, searched=places)
    for file in _RAW_BYTES:
        _check(name, _raw_folder(root, name) / file, dict(kind.resources).get(f"{file}.gz"))
    parts = [kind(root, train=train) for train in (True, False)]
    train, test = (
        (part.data.unsqueeze(1).to(torch.float32).div_(255), part.targets) for part in parts
    )
    source = str(_raw_folder(root, name))
    return Dataset(name, source, _shuffled(*train), Samples(*test), classes=10)


def _raw_folder(root: Path, name: str) -> Path:
    return root / _TORCHVISION_CLASS[name] / "raw"


def _missing(root: Path, name: str) -> list[str]:
    """The files of the data set `name` that are not under `root`."""
    return [file for file in _RAW_BYTES if not (_raw_folder(root, name) / file).is_file()]


def _download(kind: type, name: str, root: Path, searched: list[Path]) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            kind(root, download=True)  # returns at once if another process was first
    except (OSError, RuntimeError) as error:
        folder = _raw_folder(root, name)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        missing = _missing(root, name)
        if len(missing) < len(_RAW_BYTES):
            raise DataError(
                f"{folder / missing[0]} is missing and could not be downloaded ({reason}): put "
                "it there, or use --set dataset=digits, which needs no download"
            ) from error
        raise DataUnavailable(
            f"{name} is not in {', '.join(map(str, searched))} and could not be "
            f"downloaded ({reason}): put its files into {folder}, or use "
            "--set dataset=digits, which needs no download"
        ) from error


def _check(name: str, file: Path, archive_md5: str | None) -> None:
    """Raise `DataError` unless `file` is the published one, as far as can be told."""
    remedy = f"delete {file.parent} to have it downloaded again, or restore the file"
    size = file.stat().st_size
    if size != _RAW_BYTES[file.name]:
        raise DataError(f"{file} has {size:,} bytes instead of {_RAW_BYTES[file.name]:,}: {remedy}")
    expected = _RAW_MD5.get((name, file.name))
    archive = file.with_name(f"{file.name}.gz")
    if expected is None and archive.is_file() and _md5(_chunks(archive)) == archive_md5:
        with gzip.open(archive) as unpacked:
            expected = _md5(iter(lambda: unpacked.read(1 << 20), b""))
    if expected is not None and _md5(_chunks(file)) != expected:
        raise DataError(f"{file} is not the published file (its md5 differs): {remedy}")


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from iter(lambda: opened.read(1 << 20), b"")


def _md5(chunks: Iterator[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
