"""One writer at a time to a run in a bucket, where there are no file locks.

The writer leaves a file that says who it is, and writes it anew now and then. A writer that was
killed holds the run for `seconds` more; one that could not write for so long, as one whose machine
slept, and finds that another has taken the run, is interrupted and writes no more. How old the file
is, the bucket's own clock says: those of the writers need not agree.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from lenet.config import ConfigError
from study.interruption import interrupt
from study.runs.storage import BucketPath, patience, reason, remedy, replace_json

_FILE = ".lock"
_SETTLES = 0.5  # two that begin at once both see which of them wrote last,
_FIRST_LOOK = 5.0  # or soon after, if the bucket was slow to take what the other wrote
_BETWEEN_LOOKS_AT_THE_CLOCK = 1.0  # a thread that waits does not see how long its machine slept


def seconds() -> float:
    """For how long a run is held; nobody may give up writing after another has begun."""
    return patience() + 60.0


class Lease:
    """The right to write to the run in `home`, until it is lost."""

    def __init__(self, home: BucketPath) -> None:
        self._home = home
        self.lost = False

    def check(self) -> None:
        """Raise `ConfigError` if another run has it."""
        if self.lost:
            raise ConfigError(
                f"another run has taken {self._home} over, since this one could not write to it "
                f"for {seconds():.0f} s or more: this one ends, see what the other does"
            )


@contextlib.contextmanager
def leased(home: BucketPath) -> Iterator[Lease]:
    """Hold the run in `home` while writing; raises `ConfigError` if another run does, or it
    cannot be reached."""
    file = home / _FILE
    lease = Lease(home)
    writer = {"host": platform.node(), "pid": os.getpid()}
    mine = {"id": uuid.uuid4().hex, **writer, "seconds": seconds()}
    try:
        _take(file, mine)
    except OSError as error:
        raise ConfigError(f"cannot write to {home} ({reason(error)}): {remedy(error)}") from error
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lease, file, mine, done), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        done.set()
        renewing.join()
        with contextlib.suppress(OSError):  # then it runs out by itself
            if not _is_anothers(_read(file), mine):
                file.unlink()


def _take(file: BucketPath, mine: dict[str, Any]) -> None:
    _refuse_if_held(file, mine)
    replace_json(file, mine)
    time.sleep(_SETTLES)
    _refuse_if_held(file, mine)


def _refuse_if_held(file: BucketPath, mine: dict[str, Any]) -> None:
    held = _read(file)
    if not _is_anothers(held, mine):
        return
    # For as long as the holder said: it may have more patience than this run.
    if (left := held.get("seconds", seconds()) - _age(file)) > 0:
        raise ConfigError(
            f"another run is writing to {file.parent} (process "
            f"{held.get('pid')} of {held.get('host')}): wait for it; if it was killed, try again "
            f"in {left:.0f} s"
        )


def _age(file: BucketPath) -> float:
    """Seconds since it was written, by the clock of the bucket, which a file written now tells."""
    now = file.parent / f"{file.name}-{uuid.uuid4().hex}"
    now.write_bytes(b"")
    try:
        return now.mtime - file.mtime
    except FileNotFoundError:  # let go meanwhile
        return math.inf
    finally:
        now.unlink()


def _is_anothers(held: dict[str, Any], mine: dict[str, Any]) -> bool:
    return bool(held.get("id", mine["id"]) != mine["id"])


def _renew(lease: Lease, file: BucketPath, mine: dict[str, Any], done: threading.Event) -> None:
    between = seconds() / 6
    written, due = _now(), min(_FIRST_LOOK, between)
    while not done.wait(min(_BETWEEN_LOOKS_AT_THE_CLOCK, between)):
        if _seconds_since(written) < due:
            continue
        with contextlib.suppress(OSError):  # a bucket that is away is tried again
            held = _read(file)
            # One that had taken it over may have ended since.
            passed_on = not held and _seconds_since(written) > seconds()
            if passed_on or _is_anothers(held, mine):
                lease.lost = True
                interrupt()
                return
            replace_json(file, mine)
            written, due = _now(), between


def _now() -> tuple[float, float]:
    return time.time(), time.monotonic()


def _seconds_since(moment: tuple[float, float]) -> float:
    """Those that the machine slept counted in, which one clock leaves out; the other may have been
    set back."""
    return max(now - then for now, then in zip(_now(), moment, strict=True))


def _read(file: BucketPath) -> dict[str, Any]:
    try:
        held = json.loads(file.read_bytes())
        return held if isinstance(held, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}
