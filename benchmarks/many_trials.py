"""What a grid of many trials costs: whether time, memory and disk grow with their number alone.

    python -m benchmarks.many_trials              100, 300 and 1,000 trials
    python -m benchmarks.many_trials 50 100

Each number is one run of `python -m study.grid` as a user types it: the smallest trials there are
(two epochs of 256 of scikit-learn's digits), one seed each. Prints, for each run, the seconds per
trial between the first trial's end and the last one's, those before the first and after the last,
the driver's largest memory, and the size of the results folder.
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
    """A grid of so many trials, measured."""
    folder = place / f"run{trials}"
    command = [sys.executable, "-m", "study.grid", "fan", "--budget", "smoke", *_POINT]
    command += ["--set", "dataset=digits", "--seeds", str(trials), "--results", str(folder)]
    began, peak = time.time(), 0
    with (
        (place / f"run{trials}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as driver,
    ):
        while driver.poll() is None:
            peak = max(peak, _largest_memory(driver.pid))
            time.sleep(0.2)
    over = time.time()
    if driver.returncode:
        raise RuntimeError(f"the grid of {trials} ended with {driver.returncode}: see {log.name}")
    states = [json.loads(path.read_bytes()) for path in folder.glob("trials/*/trial.json")]
    ended = sorted(datetime.fromisoformat(state["ended"]).timestamp() for state in states)
    if len(ended) != trials or any(state["status"] not in COMPLETE for state in states):
        raise RuntimeError("some trials did not end: their cost cannot be told")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "trials": trials,
        "ms per trial": round(1e3 * (ended[-1] - ended[0]) / (trials - 1), 1),
        "s before": round(ended[0] - began, 1),
        "s after": round(over - ended[-1], 1),
        "driver MiB": round(peak / 1024),
        "folder MiB": round(sum(path.stat().st_size for path in files) / 2**20, 2),
        "KiB per trial": round(sum(path.stat().st_size for path in files) / 1024 / trials, 1),
        "files": len(files),
    }


def _largest_memory(process: int) -> int:
    """The most that a process has had in memory so far, in KiB; 0 once it is gone."""
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
    print(header("What a grid of many trials costs", typed_command("many_trials")))
    with tempfile.TemporaryDirectory(prefix="study-many-") as place:
        table = pd.DataFrame([run(number, Path(place)) for number in numbers])
    print(table.to_string(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
