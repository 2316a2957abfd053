"""Run a command of the project in a process of its own, and measure it from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from study.runs import layout
from study.runs.trial_folder import COMPLETE

_PAUSE = 0.05
"""seconds between two looks at a command"""


@dataclass(frozen=True)
class Usage:
    """What a command has used."""

    wall: float
    """seconds"""
    processor: float
    """seconds, over all cores"""
    memory: float
    """peak of the driver, MiB"""


@dataclass(frozen=True)
class Training:
    """A command that trains trials."""

    usage: Usage
    began: float
    """when the first trial began, in seconds since 1970"""
    ended: float
    """when the last trial ended"""
    seconds_per_further_trial: float
    """after the first trial or fleet, with which the worker imports what it needs"""

    @property
    def seconds(self) -> float:
        """From the beginning of the first trial to the end of the last one."""
        return self.ended - self.began

    @property
    def outside(self) -> float:
        """Seconds before and after: imports, the start of Ray, tables and figures."""
        return self.usage.wall - self.seconds


def run(module: str, *arguments: str) -> Usage:
    """Run `python -m module`. Raises: RuntimeError, with its output, if it fails."""
    command = [sys.executable, "-m", module, *arguments]
    peak = 0.0
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        # Of this process alone; `getrusage` would add all others that have ended.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = _peak_memory(process.pid) or peak
            time.sleep(_PAUSE)
        wall, (_, status, usage) = time.perf_counter() - started, ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(
                f"{' '.join(command)} exited with {process.returncode}:\n{output.read()}"
            )
    return Usage(wall, usage.ru_utime + usage.ru_stime, peak)


def _peak_memory(process: int) -> float | None:
    """Return the peak of a process's memory so far, in MiB; None if it has ended.

    Not `ru_maxrss`: Linux counts the memory of the parent, from which a process is forked, too.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def train(module: str, *arguments: str, folder: Path) -> Training:
    """Train trials into `folder`. Raises: RuntimeError if one is incomplete."""
    usage = run(module, *arguments, "--results", str(folder))
    states = [json.loads(path.read_bytes()) for path in _states(folder)]
    if any(state["status"] not in COMPLETE for state in states):
        raise RuntimeError("some trials are incomplete, so their cost is unknown")
    states.sort(key=lambda state: _seconds(state["ended"]))
    unit = states[0].get("fleet") or states[0]["name"]
    first = [state for state in states if unit in (state.get("fleet"), state["name"])]
    began = min(_seconds(state["started"]) for state in states)
    first_ended, ended = (_seconds(part[-1]["ended"]) for part in (first, states))
    further = (ended - first_ended) / max(1, len(states) - len(first))
    return Training(usage, began, ended, further)


def _states(folder: Path) -> list[Path]:
    return list(folder.glob(f"{layout.TRIALS}/*/{layout.TRIAL_STATE}"))


def _seconds(moment: Any) -> float:
    return datetime.fromisoformat(moment).timestamp()
