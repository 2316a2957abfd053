"""A lease that lets one writer at a time write to a run in a bucket, which has no file locks.

The writer creates a file that says who it is, and rewrites it regularly. Both are conditional
writes, so of several writers the bucket lets exactly one succeed. A lease that was not renewed for
`duration()` seconds can be taken over: its owner was killed, or is cut off from the bucket. An
owner that finds its lease taken over is interrupted and writes no more. The age of the file is
measured by the bucket's clock, because the writers' clocks may disagree.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lenet.config import ConfigError
from study.interruption import interrupt
from study.runs.bucket import BucketPath, Snapshot
from study.runs.layout import LOCK
from study.runs.retrying import patience
from study.runs.storage import reason, remedy

if TYPE_CHECKING:
    from obstore import UpdateVersion

_ATTEMPTS = 3
_SECONDS_BETWEEN_CLOCK_CHECKS = 1.0  # a waiting thread does not notice that its machine slept


def duration() -> float:
    """Return the seconds for which a lease lasts.

    A lease outlasts a writer's patience, so that a writer whose requests fail has given up before
    another may begin.
    """
    return patience() + 60.0


class Lease:
    """The right to write to the run at `home`. Hold it with `held_lease`."""

    def __init__(self, home: BucketPath) -> None:
        self.lost = False
        self._home = home
        self._file = home / LOCK
        self._owner = {
            "id": uuid.uuid4().hex,
            "host": platform.node(),
            "pid": os.getpid(),
            "seconds": duration(),
        }
        self._version: UpdateVersion | None = None

    def check(self) -> None:
        """Raise `ConfigError` if another run holds the lease now."""
        if self.lost:
            raise ConfigError(
                f"another run has taken {self._home} over, because this run could not write to it "
                f"for {duration():.0f} s or more: this run ends, see what the other one does"
            )

    def take(self) -> None:
        """Create the lease, or take over one that was not renewed in time.

        Raises: ConfigError if another run holds it, OSError if the bucket fails.
        """
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileExistsError):
                self._write(None)
                return
            with contextlib.suppress(FileNotFoundError, FileExistsError):  # changed meanwhile
                found = self._file.read()
                self._check_expired(found)
                self._write(found.version)
                return
        raise ConfigError(f"other runs are starting in {self._home}: wait for them")

    def renew(self) -> None:
        """Renew the lease, or set `lost`. Raises: OSError if the bucket fails."""
        try:
            self._write(self._version)
        except FileExistsError:
            # The bucket may have carried out an earlier renewal whose response never came.
            found = self._read()
            if found is None or not self._is_mine(found):
                self.lost = True
            else:
                self._version = found.version

    def release(self) -> None:
        """Delete the lease unless another run has taken it over."""
        with contextlib.suppress(OSError):  # a lease that is not deleted runs out by itself
            found = self._read()
            if found is not None and self._is_mine(found):
                self._file.delete()

    def check_exclusive(self) -> None:
        """Raise `ConfigError` if the server ignores the condition of a conditional write."""
        outdated = self._version
        self._write(outdated)
        for version in (None, outdated):  # If-None-Match, then If-Match
            try:
                self._write(version)
            except FileExistsError:
                continue
            self.release()
            raise ConfigError(
                f"{self._home} is on a server without conditional writes (If-None-Match and "
                "If-Match), so two runs could write to it at once: use another server, or a folder"
            )

    def _write(self, version: UpdateVersion | None) -> None:
        # S3's version is a hash of the content, which therefore must differ each time.
        content = {**self._owner, "written": uuid.uuid4().hex}
        self._version = self._file.write_if(version, json.dumps(content).encode())

    def _read(self) -> Snapshot | None:
        try:
            return self._file.read()
        except FileNotFoundError:
            return None

    def _is_mine(self, found: Snapshot) -> bool:
        return _owner(found).get("id") == self._owner["id"]

    def _check_expired(self, found: Snapshot) -> None:
        owner = _owner(found)
        # The owner's own duration counts: it may have more patience than this run.
        remaining = owner.get("seconds", duration()) - (self._bucket_time() - found.modified)
        if remaining > 0 and not self._is_mine(found):
            raise ConfigError(
                f"another run is writing to {self._home} (process {owner.get('pid')} of "
                f"{owner.get('host')}): wait for it; if it was killed, try again in "
                f"{remaining:.0f} s"
            )

    def _bucket_time(self) -> float:
        probe = self._home / f"{LOCK}-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        try:
            return probe.modified
        finally:
            probe.delete()


@contextlib.contextmanager
def held_lease(home: BucketPath) -> Iterator[Lease]:
    """Hold the lease of the run at `home`, and renew it in a thread.

    Raises: ConfigError if another run holds it, or the bucket cannot be written to.
    """
    lease = Lease(home)
    try:
        lease.take()
        lease.check_exclusive()
    except OSError as error:
        raise ConfigError(f"cannot write to {home} ({reason(error)}): {remedy(error)}") from error
    ended = threading.Event()
    renewing = threading.Thread(target=_keep_renewing, args=(lease, ended), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        ended.set()
        renewing.join()
        lease.release()


def _keep_renewing(lease: Lease, ended: threading.Event) -> None:
    interval = duration() / 6
    renewed = _clocks()
    while not ended.wait(min(_SECONDS_BETWEEN_CLOCK_CHECKS, interval)):
        if _elapsed(renewed) < interval:
            continue
        with contextlib.suppress(OSError):  # a bucket that is down is tried again
            lease.renew()
            renewed = _clocks()
        if lease.lost:
            interrupt()
            return


def _clocks() -> tuple[float, float]:
    return time.time(), time.monotonic()


def _elapsed(since: tuple[float, float]) -> float:
    """Return the seconds since `since`, including time the machine was asleep.

    The monotonic clock may skip sleep, and the wall clock may be set back: the larger difference
    counts.
    """
    return max(now - then for now, then in zip(_clocks(), since, strict=True))


def _owner(found: Snapshot) -> dict[str, Any]:
    """Return who wrote a lease; empty if it is damaged."""
    try:
        owner = json.loads(found.content)
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}
