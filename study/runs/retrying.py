"""Retries for storage that fails for a while, such as a full disk or a bucket that is down."""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from lenet.config import ConfigError

if TYPE_CHECKING:
    from study.runs.storage import Location

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
"""seconds"""
_PERMANENT = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
)
_PERMANENT_CODES = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EINVAL,
        errno.EILSEQ,
        errno.EROFS,
        errno.ENOTEMPTY,
        errno.EXDEV,
        errno.EFBIG,
        errno.EMLINK,
        errno.EOVERFLOW,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
    }
)
_given_up = threading.Event()

Result = TypeVar("Result")


@cache
def patience() -> float:
    """Return how many seconds a run retries storage that fails (`STUDY_STORAGE_PATIENCE`).

    Raises: ConfigError if the variable is not a number, 0 or more.
    """
    text = os.environ.get("STUDY_STORAGE_PATIENCE", "120")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(
            f"STUDY_STORAGE_PATIENCE={text} is not a number of seconds: set it to 120, or unset it"
        )
    return seconds


def is_permanent(error: OSError) -> bool:
    """Return True if waiting cannot help.

    An error about the path, its permissions or the operation is permanent: the same call fails
    again until somebody changes something. An error of the medium passes: a full disk (ENOSPC,
    EDQUOT), a network drive that is away (EIO, ESTALE, ETIMEDOUT), a bucket that is down. Unknown
    errors count as passing.
    """
    return isinstance(error, _PERMANENT) or error.errno in _PERMANENT_CODES


def give_up() -> None:
    """End all waiting, in every thread, because the user pressed Ctrl-C."""
    _given_up.set()


class RetryingPath:
    """A location whose reads and writes are retried for `patience()` seconds.

    Each wait is announced on the terminal. The last error is raised once patience runs out, and
    permanent errors are raised at once. See `study.runs.storage.Location`.
    """

    def __init__(self, location: Location) -> None:
        self._location = location

    def __str__(self) -> str:
        return str(self._location)

    def __truediv__(self, name: str) -> RetryingPath:
        return RetryingPath(self._location / name)

    @property
    def name(self) -> str:
        return self._location.name

    def read_bytes(self) -> bytes:
        return self._retry("read", self._location.read_bytes)

    def write_bytes(self, content: bytes) -> None:
        self._retry("write", lambda: self._location.write_bytes(content))

    def extend_to(self, content: bytes, *, durable: bool = False) -> None:
        self._retry("write", lambda: self._location.extend_to(content, durable=durable))

    def delete(self) -> None:
        self._retry("delete", self._location.delete)

    def is_file(self) -> bool:
        return self._retry("read", self._location.is_file)

    def names(self) -> list[str]:
        return self._retry("read", self._location.names)

    def make_folder(self) -> None:
        self._retry("write", self._location.make_folder)

    def delete_leftovers(self) -> None:
        self._retry("delete", self._location.delete_leftovers)

    def _retry(self, verb: str, action: Callable[[], Result]) -> Result:
        deadline, wait = time.monotonic() + patience(), _FIRST_WAIT
        while True:
            try:
                return action()
            except OSError as error:
                if is_permanent(error) or time.monotonic() + wait > deadline:
                    raise
                problem = error.strerror or error
                print(f"cannot {verb} {self} ({problem}): trying again", flush=True)
                if _given_up.wait(wait):
                    raise
                wait = min(2 * wait, _LONGEST_WAIT)
