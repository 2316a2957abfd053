"""Drivers in their own processes: waiting for them and killing them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def wait_for(
    condition: Callable[[], Any],
    what: str,
    driver: subprocess.Popen[Any] | None = None,
    seconds: float = 150,
) -> None:
    """Wait until `condition` holds. AssertionError if `driver` ends before, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert driver is None or driver.poll() is None, f"the driver ended before there was {what}"
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)


def kill(driver: subprocess.Popen[Any], *states: Mapping[str, Any]) -> None:
    """Kill a driver with its session, and the workers that the `states` of its trials name.

    Ray would end those workers some seconds later, when the last trial may be complete.
    """
    os.killpg(driver.pid, signal.SIGKILL)
    for state in states:
        if state.get("status") == "running":
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`, on Linux."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            child, _, rest = status.read_text().partition(" ")
            if int(rest.rpartition(")")[2].split()[1]) == pid:
                found += [int(child), *descendants(int(child))]
    return found
