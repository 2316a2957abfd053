"""Measure whether time, memory and disk space grow linearly with the number of trials.

    python -m benchmarks.many_trials              100, 300 and 1,000 trials
    python -m benchmarks.many_trials 50 100

Each row is one run of `python -m study.grid` with the smallest trials: two epochs of 256 of
scikit-learn's digits, one seed each. `ms per trial` is measured from the end of the first trial to
the end of the last one; `s before` and `s after` is the rest. The driver's memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pandas as pd

from benchmarks.machine import header, typed_command
from study.runs.trial_folder import COMPLETE

_NUMBERS = (100, 300, 1_000)
_POINT = ("--set", "optimizer=sgd", "--set", "lr=0.1", "--set", "batch_size=64")


def run(trials: int, place: Path) -> dict[str, object]:
    """Run a grid of `trials` trials and return its row."""
    folder = place / f"run{trials}"
    command = [sys.executable, "-m", "study.grid", "fan", "--budget", "smoke", *_POINT]
    command += ["--set", "dataset=digits", "--seeds", str(trials), "--results", str(folder)]
    began, peak = time.time(), 0
    with (
        (place / f"run{trials}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as driver,
    ):
        while driver.poll() is None:
            peak = max(peak, _peak_memory(driver.pid))
            time.sleep(0.2)
    finished = time.time()
    if driver.returncode:
        raise RuntimeError(
            f"the grid of {trials} trials exited with {driver.returncode}: see {log.name}"
        )
    states = [json.loads(path.read_bytes()) for path in folder.glob("trials/*/trial.json")]
    ended = sorted(datetime.fromisoformat(state["ended"]).timestamp() for state in states)
    if len(ended) != trials or any(state["status"] not in COMPLETE for state in states):
        raise RuntimeError("some trials are incomplete, so their cost is unknown")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "trials": trials,
        "ms per trial": round(1e3 * (ended[-1] - ended[0]) / (trials - 1), 1),
        "s before": round(ended[0] - began, 1),
        "s after": round(finished - ended[-1], 1),
        "driver MiB": round(peak / 1024),
        "folder MiB": round(sum(path.stat().st_size for path in files) / 2**20, 2),
        "KiB per trial": round(sum(path.stat().st_size for path in files) / 1024 / trials, 1),
        "files": len(files),
    }


def _peak_memory(process: int) -> int:
    """Return the peak memory of a process in KiB, or 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    sizes = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(next(sizes, "0"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_trials")
    parser.add_argument("trials", nargs="*", type=int, default=_NUMBERS)
    numbers = parser.parse_args().trials
    print(header("Cost of a grid of many trials", typed_command("many_trials")))
    with tempfile.TemporaryDirectory(prefix="study-many-") as place:
        table = pd.DataFrame([run(number, Path(place)) for number in numbers])
    print(table.to_string(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
