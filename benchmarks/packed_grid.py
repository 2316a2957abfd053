"""A grid whose trials are packed into fleets, compared with the same grid, each trial alone.

    python -m benchmarks.packed_grid [--rounds 3] [--steps 5000]

In each round, `python -m study.grid` runs twice, with `--pack off` and with the default, `--pack
auto`: 64 trials of the perceptron 4ls on MNIST at batch size 1, two optimizers at 32 learning
rates, one seed. `auto` has measured its fleets before, by a dry run that is not timed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.machine import header, typed_command
from lenet import datasets

_TRIALS = 64
_RATES = ",".join(f"{0.001 * number:g}" for number in range(1, _TRIALS // 2 + 1))


@dataclass(frozen=True)
class Timing:
    """One run of the command."""

    wall: float
    """seconds of the whole command, from its start to its last figure"""
    training: float
    """seconds in training steps, summed over the trials; in a fleet, each has its share"""
    fleets: int


def command(steps: int, *more: str) -> list[str]:
    """Return the command of the grid."""
    return [
        *(sys.executable, "-m", "study.grid", "fan", "--set", "model=4ls", "--set", "loss=mse"),
        *("--set", "dataset=mnist", "--set", "batch_size=1", "--set", "optimizer=sgd,adam"),
        *("--set", f"lr={_RATES}", "--set", f"steps={steps}", *more),
    ]


def measure(steps: int, pack: str) -> Timing:
    """Run the grid in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        started = time.perf_counter()
        subprocess.run(
            command(steps, "--pack", pack, "--results", str(folder)),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - started
        trials = pd.read_parquet(folder / "trials.parquet")
    if len(trials) != _TRIALS or not trials.status.isin(["finished", "diverged"]).all():
        raise RuntimeError("some trials are incomplete, so their cost is unknown")
    fleets = set(trials.fleet) - {""}
    return Timing(wall, float(trials.train_seconds.sum()), len(fleets))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packed_grid")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind")
    parser.add_argument("--steps", type=int, default=5_000, help="steps of every trial")
    options = parser.parse_args()
    title = f"{_TRIALS} trials of 4ls at batch size 1, packed into fleets and each alone, MNIST"
    print(header(title, typed_command("packed_grid")))
    folders = datasets.search_path(None)
    if not any((folder / "MNIST" / "raw").is_dir() for folder in folders):
        print(f"not measured: MNIST is not in {', '.join(map(str, folders))}")
        return 0
    subprocess.run(command(options.steps, "--dry-run"), check=True, stdout=subprocess.DEVNULL)
    timings: dict[str, list[Timing]] = {"off": [], "auto": []}
    for _ in range(options.rounds):
        for pack, found in timings.items():
            found.append(measure(options.steps, pack))
    rounds = "1 round" if options.rounds == 1 else f"medians of {options.rounds} rounds"
    print(f"{options.steps:,} steps a trial; seconds, {rounds}\n")
    print(f"{'':<14}{'fleets':>8}{'whole command':>16}{'training steps':>16}")
    medians = {}
    for pack, found in timings.items():
        medians[pack] = [
            statistics.median(getattr(timing, name) for timing in found)
            for name in ("wall", "training")
        ]
        wall, training = medians[pack]
        print(f"{f'--pack {pack}':<14}{found[0].fleets:>8}{wall:>16.1f}{training:>16.1f}")
    ratios = [off / auto for off, auto in zip(medians["off"], medians["auto"], strict=True)]
    print(f"{'times as fast':<22}" + "".join(f"{ratio:>16.1f}" for ratio in ratios))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
