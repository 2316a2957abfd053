"""Run a command of the project in a process of its own, and measure it from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from study.runs import layout
from study.runs.trial_folder import COMPLETE


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
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        # Of this process alone; `getrusage` would add all others that have ended.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}:\n{output}")
    return Usage(
        time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    )


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
