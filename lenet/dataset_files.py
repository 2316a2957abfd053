"""The files of MNIST and its relatives: where they are searched, and whether they are authentic.

Needs no torch, so that a plan of trials can be made without it.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from lenet import registry, user_cache
from lenet.config import ConfigError, TrainConfig

if TYPE_CHECKING:
    from lenet.datasets import Dataset

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
FILES = {
    "train-images-idx3-ubyte": (2051, 60_000, 28, 28),
    "train-labels-idx1-ubyte": (2049, 60_000),
    "t10k-images-idx3-ubyte": (2051, 10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (2049, 10_000),
}
CLASSES = 10
TORCHVISION_CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}

DIGITS_TEST_SAMPLES = 297
_EMBEDDED = {"digits": ("scikit-learn", DIGITS_TEST_SAMPLES), "line": ("this program", 4)}
"""Source and test samples of the data sets that need no files."""

_VERIFIED = "verified-files"
"""name in the user's cache: size and modification time (ns) of each verified file"""


class DataUnavailable(ConfigError):
    """Data that are not on this machine and cannot be downloaded."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        """what is missing, without the remedy"""


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
    """Return the folder of all data sets, given this folder or one below it."""
    absolute = Path(os.path.abspath(folder))
    one = absolute.parent if absolute.name == "raw" else absolute
    if one.name in TORCHVISION_CLASSES.values() and (one / "raw").is_dir():
        return one.parent
    return folder


def raw_folder(root: Path, name: str) -> Path:
    return root / TORCHVISION_CLASSES[name] / "raw"


def missing(root: Path, name: str) -> list[str]:
    """Return the files of the data set `name` that are not under `root`."""
    return [file for file in FILES if not (raw_folder(root, name) / file).is_file()]


def verify(name: str, file: Path, archive_md5: str | None) -> None:
    """Raise `ConfigError` if `file` can be told not to be the published one.

    A verified file is not read again until its size or modification time changes.
    """
    if not _is_verified(name, file, user_cache.read(_VERIFIED)):
        key, now = _state(name, file)
        _verify_content(name, file, archive_md5)
        user_cache.remember(_VERIFIED, {key: now})


def _is_verified(name: str, file: Path, remembered: Mapping[str, Any]) -> bool:
    key, now = _state(name, file)
    return bool(remembered.get(key) == now)


def _state(name: str, file: Path) -> tuple[str, list[int]]:
    """Return the key under which a verified file is remembered, and [size, mtime in ns]."""
    status = file.stat()
    return f"{name}:{file.resolve()}", [status.st_size, status.st_mtime_ns]


def _verify_content(name: str, file: Path, archive_md5: str | None) -> None:
    remedy = f"delete {file.parent} to download it again, or restore the file"
    header = FILES[file.name]
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
    if len(header) == 2 and (label := max(content[8:])) >= CLASSES:
        raise ConfigError(
            f"{file} has the label {label}, but labels are 0 to {CLASSES - 1}: {remedy}"
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


def split_sizes(name: str, total: int, config: TrainConfig) -> tuple[int, int]:
    """Return (training samples, validation samples) of `config`.

    `total`: samples of the data set `name` outside its test set.

    Raises: ConfigError if one of the two is empty, unless validation_fraction is 0.
    """
    validation = round(total * config.validation_fraction)
    rest = total - validation
    if not rest or (config.validation_fraction and not validation):
        raise ConfigError(
            f"validation_fraction={config.validation_fraction:g} of the {total} training samples "
            f"of {name} leaves {rest} to train on and {validation} to validate with: both need at "
            "least one, or set validation_fraction=0"
        )
    return min(rest, config.train_samples or rest), validation


@dataclass(frozen=True)
class KnownDataset:
    """A data set whose files are here and verified, but have not been read yet."""

    name: str
    source: str
    """where it is read from, for the user"""
    sizes: tuple[int, int]
    """(samples outside the test set, samples of the test set)"""
    data_dir: Path | None

    def load(self) -> Dataset:
        """Return the data set. It is read once, by the first call, which imports torch."""
        return self._loaded

    @cached_property
    def _loaded(self) -> Dataset:
        from lenet import datasets

        return datasets.load(self.name, self.data_dir)


AnyDataset = Union["Dataset", KnownDataset]


def known(name: str, data_dir: Path | None) -> KnownDataset | None:
    """Return the data set `name` without reading it, if its files were verified before.

    None if they have changed since, or if only reading them can tell whether the data set is here.
    """
    if name in _EMBEDDED:
        source, tests = _EMBEDDED[name]
        return KnownDataset(name, source, (registry.TRAINING_SAMPLES[name], tests), data_dir)
    if name not in TORCHVISION_CLASSES:
        return None
    root = find_root(name, data_dir)
    if root is None:
        return None
    folder, remembered = raw_folder(root, name), user_cache.read(_VERIFIED)
    if not all(_is_verified(name, folder / file, remembered) for file in FILES):
        return None
    sizes = FILES["train-labels-idx1-ubyte"][1], FILES["t10k-labels-idx1-ubyte"][1]
    return KnownDataset(name, str(folder), sizes, data_dir)


def find_root(name: str, data_dir: Path | None) -> Path | None:
    """Return the first folder of the search path that has all files of a data set, or None."""
    folders = search_path(data_dir)
    return next((folder for folder in folders if not missing(folder, name)), None)
