"""Drivers in their own processes: waiting for them and killing them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
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
