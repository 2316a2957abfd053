"""Where files of a run live: on this machine or in a bucket, behind one small protocol."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any, Protocol, Self

from lenet.config import ConfigError
from study.runs import layout
from study.runs.bucket import SCHEMES, BucketPath
from study.runs.local import LocalPath
from study.runs.retrying import RetryingPath, is_permanent

SHARED_STORAGE_HINT = (
    "on a cluster, results must be in a folder that every node can reach, or in a bucket: start "
    "again with --results or --storage"
)


class Location(Protocol):
    """A file or folder. All methods raise OSError if the storage fails."""

    @property
    def name(self) -> str: ...

    def __truediv__(self, name: str) -> Self: ...

    def read_bytes(self) -> bytes:
        """Return the content. Raises: FileNotFoundError."""
        ...

    def write_bytes(self, content: bytes) -> None:
        """Replace the file as a whole: readers, and a crash, see the old or the new content."""
        ...

    def extend_to(self, content: bytes, *, durable: bool = False) -> None:
        """Bring the file up to `content`, which begins with what the file holds.

        If the writer is killed, the file may end anywhere in between. `durable`: what was written
        survives a power cut.
        """
        ...

    def delete(self) -> None:
        """Delete the file if it exists."""
        ...

    def is_file(self) -> bool: ...

    def names(self) -> list[str]:
        """List the names directly inside the folder; empty if there is no such folder."""
        ...

    def make_folder(self) -> None:
        """Create the folder with its parents."""
        ...

    def delete_leftovers(self) -> None:
        """Delete temporary files of writers that were killed."""
        ...


def parse_location(place: str | Path | Location) -> Location:
    """Parse a path, or an `s3://` or `gs://` URL. A location is returned as is.

    Raises: ConfigError if it is neither.
    """
    if not isinstance(place, str | Path):
        return place
    text = str(place)
    if "://" in text:
        return BucketPath(text)
    scheme, colon, rest = text.partition(":")
    if colon and scheme in SCHEMES:
        raise ConfigError(f"{text} is not a URL: type {scheme}://{rest.strip('/')}")
    return LocalPath(Path(text))


def write_json(target: Location, value: Any) -> None:
    """Replace the file `target` with `value` as JSON."""
    target.write_bytes(json.dumps(value, indent=1).encode())


def read_json(source: Location) -> Any:
    """Return the content of a JSON file, or None if it is missing or damaged.

    A trial whose file was cut short by a broken disk is trained again; it does not end the run.
    """
    try:
        return json.loads(source.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def reason(error: OSError) -> str:
    """Say in a few words why something could not be read or written."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return error.strerror or lines[0]


def remedy(error: OSError) -> str:
    """Say what to check if a bucket cannot be read or written."""
    if isinstance(error, PermissionError):
        if str(error.filename).startswith("gs://"):
            return "log in with gcloud auth application-default login"
        return (
            "the credentials are missing or refused: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, ConnectionError):
        return "check the network, and AWS_ENDPOINT_URL if it is set"
    return "check that the bucket exists and that your credentials open it"


class OutOfReach(Exception):
    """A worker cannot go on, and a retry on another worker would not help.

    The run's folder or the model cannot be reached, or another attempt has taken the trial over.
    """


def access_problem(home: Location) -> str | None:
    """Return why workers on this machine cannot use the run at `home`, or None if they can.

    Raises: OSError if the storage is still failing after `patience()` seconds.
    """
    node = platform.node()
    try:
        if (RetryingPath(home) / layout.METADATA).is_file():
            return None
    except OSError as error:
        if not is_permanent(error):
            raise
        advice = "give the user who runs Ray access to it"
        if isinstance(home, BucketPath):
            advice = remedy(error)
        return f"{node} cannot read {home} ({reason(error)}): {advice}, on every node"
    return f"{home} does not exist on {node}: {SHARED_STORAGE_HINT}"


def import_problem(error: ConfigError) -> str:
    """Explain why a worker refuses a config that the driver accepted: it cannot import it."""
    return (
        f"on {platform.node()}: {error}; workers must be able to import what the command can: "
        "install it on every node, or ship it with `ray job submit --working-dir` "
        "(docs/cluster.md)"
    )
