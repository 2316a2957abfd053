"""Drivers in processes of their own, waited for and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any


def wait_for(
    condition: Callable[[], Any], what: str, driver: subprocess.Popen[Any], seconds: float = 150
) -> None:
    """Until `condition` holds. AssertionError if the driver ends before, or in vain."""
    until = time.monotonic() + seconds
    while not condition():
        assert driver.poll() is None, f"the driver ended before there was {what}"
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)


def kill(driver: subprocess.Popen[Any], *states: Mapping[str, Any]) -> None:
    """The driver, the leader of its session, with all that it has started, and its workers that
    train, by the states of its trials: Ray would end them some seconds later, when the last
    trial may be complete."""
    os.killpg(driver.pid, signal.SIGKILL)
    for state in states:
        if state.get("status") == "running":
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGKILL)
