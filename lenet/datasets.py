"""Data sets: found on disk, downloaded, or the user's own; verified."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from lenet import own_data, registry, user_cache
from lenet.config import ConfigError, TrainConfig, unknown_name
from lenet.samples import AnySamples, Samples, first_problem

# md5 of MNIST's unpacked files. torchvision verifies only archives, and accepts any unpacked file.
# No such digests are published for the other two data sets: their files must not be MNIST's, and
# are verified against the archive, if it is still there.
_MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
# The header of each unpacked file: a number for its type, then the size of each dimension.
_HEADERS = {
    "train-images-idx3-ubyte": (2051, 60_000, 28, 28),
    "train-labels-idx1-ubyte": (2049, 60_000),
    "t10k-images-idx3-ubyte": (2051, 10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (2049, 10_000),
}
_CLASSES = 10
_TORCHVISION_CLASS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}

_VERIFIED = "verified-files"
"""name in the user's cache: size and time of change (ns) of each verified file"""

_SHUFFLE_SEED = 20_221_226
_DIGITS_TEST_SAMPLES = 297


class DataUnavailable(ConfigError):
    """Data that are not on this machine and cannot be downloaded."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        """what is missing, without what to do about it"""


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

    This is `data_dir` alone if it is given, or else $STUDY_DATA_DIR, ./data and the user's cache.
    The folder of one data set (.../MNIST or .../MNIST/raw) counts as the folder that it is in.

    Raises: ConfigError if $STUDY_DATA_DIR is not a folder.
    """
    if data_dir is not None:
        return [_folder_of_all(data_dir)]
    cache = user_cache.folder()
    configured = os.environ.get("STUDY_DATA_DIR")
    if not configured:
        return [Path("data"), cache]
    folder = Path(configured).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"STUDY_DATA_DIR={configured} is not a folder: name the folder of the data sets, or "
            "unset the variable"
        )
    return [_folder_of_all(folder), Path("data"), cache]


def _folder_of_all(folder: Path) -> Path:
    """Return the folder of all data sets, given it or a folder below it."""
    absolute = Path(os.path.abspath(folder))
    one = absolute.parent if absolute.name == "raw" else absolute
    if one.name in _TORCHVISION_CLASS.values() and (one / "raw").is_dir():
        return one.parent
    return folder


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """Load the data set `name` (of `registry.DATASETS`), and download it first if necessary.

    "package.module:load" names a function of the user's own (see `lenet.own_data`).

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
    if name not in _TORCHVISION_CLASS:
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
        root = partial or folders[-1]
        _download(loader, name, root, searched=folders)
    for file in _HEADERS:
        _verify(name, _raw_folder(root, name) / file, dict(loader.resources).get(f"{file}.gz"))
    splits = [loader(root, train=train) for train in (True, False)]
    train, test = (
        (split.data.unsqueeze(1).to(torch.float32).div_(255), split.targets) for split in splits
    )
    source = str(_raw_folder(root, name))
    return Dataset(name, source, _shuffled(*train), Samples(*test), classes=_CLASSES)


def _raw_folder(root: Path, name: str) -> Path:
    return root / _TORCHVISION_CLASS[name] / "raw"


def _missing(root: Path, name: str) -> list[str]:
    """Return the files of the data set `name` that are not under `root`."""
    return [file for file in _HEADERS if not (_raw_folder(root, name) / file).is_file()]


def _download(loader: type, name: str, root: Path, searched: list[Path]) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            loader(root, download=True)  # does nothing if another process was first
    except (OSError, RuntimeError) as error:
        folder = _raw_folder(root, name)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        missing = _missing(root, name)
        if len(missing) < len(_HEADERS):
            raise ConfigError(
                f"{folder / missing[0]} is missing and could not be downloaded ({reason}): put "
                "it there, or use --set dataset=digits, which needs no download"
            ) from error
        raise DataUnavailable(
            f"{name} is not in {', '.join(map(str, searched))} and could not be downloaded "
            f"({reason})",
            f"put its files into {folder}, or use --set dataset=digits, which needs no download",
        ) from error


def _verify(name: str, file: Path, archive_md5: str | None) -> None:
    """Raise `ConfigError` if `file` is not the published one, as far as can be told.

    A file that was found to be so is not read again until its size or time of change differs.
    """
    status = file.stat()
    key, now = f"{name}:{file.resolve()}", [status.st_size, status.st_mtime_ns]
    if user_cache.read(_VERIFIED).get(key) != now:
        _verify_content(name, file, archive_md5)
        user_cache.remember(_VERIFIED, {key: now})


def _verify_content(name: str, file: Path, archive_md5: str | None) -> None:
    remedy = f"delete {file.parent} to download it again, or restore the file"
    header = _HEADERS[file.name]
    size, expected_size = file.stat().st_size, 4 * len(header) + math.prod(header[1:])
    if size != expected_size:
        raise ConfigError(f"{file} has {size:,} bytes instead of {expected_size:,}: {remedy}")
    digest = _md5(_chunks(file))
    if name == "mnist":
        expected = _MNIST_MD5[file.name]
    elif digest in _MNIST_MD5.values():
        raise ConfigError(f"{file} is a file of MNIST, not of {name}: {remedy}")
    else:
        expected = _md5_in_archive(file.with_name(f"{file.name}.gz"), archive_md5, remedy) or digest
    if digest != expected:
        raise ConfigError(f"{file} is not the published file (its md5 differs): {remedy}")
    content = file.read_bytes()
    found = struct.unpack(f">{len(header)}I", content[: 4 * len(header)])
    if found != header:
        raise ConfigError(f"{file} begins with {found} instead of {header}: {remedy}")
    if len(header) == 2 and (label := max(content[8:])) >= _CLASSES:
        raise ConfigError(
            f"{file} has the label {label}, but labels are 0 to {_CLASSES - 1}: {remedy}"
        )


def _md5_in_archive(archive: Path, published_md5: str | None, remedy: str) -> str | None:
    """Return the md5 of the file in `archive`; None if there is no archive."""
    if not archive.is_file():
        return None
    if _md5(_chunks(archive)) != published_md5:
        raise ConfigError(f"{archive} is not the published archive (its md5 differs): {remedy}")
    with gzip.open(archive) as unpacked:
        return _md5(iter(lambda: unpacked.read(1 << 20), b""))


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from iter(lambda: opened.read(1 << 20), b"")


def _md5(chunks: Iterator[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
