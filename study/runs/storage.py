"""Where the files of a run lie: a folder of this machine, or one in a bucket, by its URL.

Everything is replaced whole or not at all. A place that is away for a while, or full, is tried
again for as long as `patience` says.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.fs

from lenet.config import ConfigError, nearest

SCHEMES = ("s3", "gs")
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
_NO_USE = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
# As the messages of S3 and of Google's storage have it.
_NO_USE_THERE = (
    *("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH"),
    *("PERMISSION_DENIED", "UNAUTHENTICATED"),
)
_GOOGLE_SECONDS = 15  # its client would otherwise try for a quarter of an hour
_given_up = threading.Event()

Result = TypeVar("Result")


class BucketPath:
    """A file or a folder under an `s3://` or `gs://` URL, with what we use of `pathlib.Path`.

    Credentials are found as the provider's own tools find them (`AWS_PROFILE`, the role of the
    machine, ...), the endpoint in `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`. Raises `ConfigError`
    if `url` is none of these, `OSError` where the bucket cannot be reached.
    """

    def __init__(self, url: str) -> None:
        scheme, _, path = url.partition("://")
        if set("@:?#") & set(path):  # it may hold a password, so it is not said again
            raise ConfigError(
                f"a {scheme}:// URL is a bucket and a folder alone: leave out what has @ : ? or #; "
                "keys and endpoint are read from the environment (AWS_...)"
            )
        parts = [part for part in path.split("/") if part]
        if scheme not in SCHEMES:
            known = [f"{name}://" for name in SCHEMES]
            raise ConfigError(nearest(f"{scheme}://", known, "kind of storage") + ", or a folder")
        if not parts or any(part.strip(".") == "" for part in parts):
            raise ConfigError(f"{url} names no folder in a bucket: type {scheme}://BUCKET/FOLDER")
        self._scheme, self._parts = scheme, parts

    def __str__(self) -> str:
        return f"{self._scheme}://{self._key}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, name: str) -> BucketPath:
        return BucketPath(f"{self}/{name}")

    @property
    def _key(self) -> str:
        return "/".join(self._parts)

    @property
    def _files(self) -> Any:
        return _filesystem(self._scheme, self._parts[0])

    @property
    def name(self) -> str:
        return self._parts[-1]

    @property
    def parent(self) -> BucketPath:
        return BucketPath(f"{self._scheme}://{'/'.join(self._parts[:-1])}")

    @property
    def is_root(self) -> bool:
        """Whether it is the bucket as a whole."""
        return len(self._parts) == 1

    def read_bytes(self) -> bytes:
        """The content; raises `FileNotFoundError` if there is none."""
        with self._files.open_input_file(self._key) as opened:
            content: bytes = opened.read()
        return content

    def write_bytes(self, content: bytes) -> None:
        with self._files.open_output_stream(self._key) as opened:
            opened.write(content)

    def check(self) -> None:
        """Raise `FileNotFoundError` if there is no such bucket, which looks like an empty one."""
        if self._files.get_file_info(self._parts[0]).type == pyarrow.fs.FileType.NotFound:
            raise FileNotFoundError(f"no bucket {self._parts[0]}")

    def is_file(self) -> bool:
        kind = self._files.get_file_info(self._key).type
        return bool(kind == pyarrow.fs.FileType.File)

    @property
    def mtime(self) -> float:
        """When it was written last, by the clock of the bucket; raises `FileNotFoundError` if it
        is not there."""
        found = self._files.get_file_info(self._key)
        if found.mtime is None:
            raise FileNotFoundError(f"no {self}")
        return float(found.mtime.timestamp())

    def unlink(self) -> None:
        """Delete it, if it is there."""
        if self.is_file():
            self._files.delete_file(self._key)

    def names(self) -> list[str]:
        """Of what lies directly inside."""
        inside = pyarrow.fs.FileSelector(self._key, allow_not_found=True)
        return [found.base_name for found in self._files.get_file_info(inside)]


Place = Path | BucketPath


def place_of(text: str) -> Place:
    """The folder or the URL that `text` names; raises `ConfigError` if it is neither."""
    if text.startswith(tuple(f"{scheme}:" for scheme in SCHEMES)) and "://" not in text:
        scheme, _, rest = text.partition(":")
        raise ConfigError(f"{text} is no URL: type {scheme}://{rest.strip('/')}")
    return BucketPath(text) if "://" in text else Path(text)


@cache
def patience() -> float:
    """Seconds for which a run that is under way tries again to read or write what it cannot;
    raises `ConfigError` if `STUDY_STORAGE_PATIENCE` is no such number."""
    given = os.environ.get("STUDY_STORAGE_PATIENCE", "120")
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(
            f"STUDY_STORAGE_PATIENCE={given} is no number of seconds: set it to 120, for one, or "
            "leave it out"
        )
    return seconds


@cache
def _filesystem(scheme: str, bucket: str) -> Any:
    if scheme == "gs":
        return pyarrow.fs.GcsFileSystem(retry_time_limit=timedelta(seconds=_GOOGLE_SECONDS))
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    # One request for a small file, where there would be three.
    options: dict[str, Any] = {"allow_delayed_open": True}
    if endpoint:
        options["endpoint_override"] = endpoint
    else:
        options["region"] = pyarrow.fs.resolve_s3_region(bucket)
    return pyarrow.fs.S3FileSystem(**options)


def reason(error: OSError) -> str:
    """Why something could not be read or written, in a few words."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return error.strerror or said[0]


def remedy(error: Exception) -> str:
    """What to look at where a bucket cannot be read or written."""
    said = str(error)
    if any(code in said for code in _NO_USE_THERE if code != "NO_SUCH_BUCKET"):
        return (
            "its credentials are missing or refused: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or as its provider has it"
        )
    if "NETWORK" in said or "curlCode" in said:
        return "see the network, and AWS_ENDPOINT_URL if you have set it"
    return "see that its bucket is there, and that your credentials open it"


WHERE_RESULTS_LIE = (
    "on a cluster, results must lie in a folder that every node reaches, or in a bucket; begin "
    "again with --results or --storage"
)


class OutOfReach(Exception):
    """A worker cannot go on, and no other would fare better: the run's folder or its model is not
    there, or another run has gone on with its trial."""


def not_here(home: Place) -> str | None:
    """Why a worker on this machine cannot use the run's folder, or None if it can."""
    there, node = home / "run.json", platform.node()
    try:
        if patiently(there.is_file, f"read {there}"):
            return None
    except OSError as error:
        if not _is_in_vain(error):
            raise
        return f"{node} may not read {home} ({reason(error)}): {remedy(error)}, on every node"
    return f"{home} is not on {node}: {WHERE_RESULTS_LIE}"


def only_here(error: ConfigError) -> str:
    """What to say where a worker refuses a config that the driver has accepted: they differ in what
    they can import."""
    return (
        f"on {platform.node()}: {error}; workers must be able to import what the command can: "
        "install it on every node, or bring it by `ray job submit --working-dir` (docs/cluster.md)"
    )


def replace_file(path: Place, content: bytes) -> None:
    """Write `path` so that a reader, or a crash, sees the old content or the new, whole."""
    if isinstance(path, BucketPath):
        path.write_bytes(content)
        return
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())  # else a power cut may leave the new name on nothing
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide results from a group
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def replace_json(path: Place, value: Any) -> None:
    """Likewise, of what JSON can hold."""
    replace_file(path, json.dumps(value, indent=1).encode())


def read_json(path: Place) -> Any:
    """What `path` holds, or None if it is missing or damaged: a trial whose file a broken
    disk has cut is trained again, rather than stopping the whole run."""
    try:
        return json.loads(patiently(path.read_bytes, f"read {path}"))
    except (FileNotFoundError, ValueError):
        return None


def patiently(act: Callable[[], Result], what: str) -> Result:
    """What `act` returns, which is tried again while it raises `OSError`: a disk may have room
    again, a bucket may come back. `what` it does is said meanwhile. Raises the error where
    waiting cannot help, or did not."""
    until, wait = time.monotonic() + patience(), _FIRST_WAIT
    while True:
        try:
            return act()
        except OSError as error:
            if _is_in_vain(error) or time.monotonic() + wait > until:
                raise
            print(f"cannot {what} ({reason(error)}): trying again", flush=True)
            if _given_up.wait(wait):
                raise
            wait = min(2 * wait, _LONGEST_WAIT)


def _is_in_vain(error: OSError) -> bool:
    return isinstance(error, _NO_USE) or any(code in str(error) for code in _NO_USE_THERE)


def give_up() -> None:
    """End the waiting in all threads: the user has had enough of it."""
    _given_up.set()


def keep(path: Place, content: bytes) -> None:
    """`replace_file` with patience."""
    patiently(lambda: replace_file(path, content), f"write {path}")


def keep_json(path: Place, value: Any) -> None:
    """`replace_json` with patience."""
    patiently(lambda: replace_json(path, value), f"write {path}")
