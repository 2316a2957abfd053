"""A search whose proposals are packed into fleets, compared with the same search, each alone.

    python -m benchmarks.packed_search [--rounds 3] [--steps 5000] [--seeds 1]

In each round, `python -m study.search` runs twice, with `--pack off` and with the default, `--pack
auto`: 64 points for the perceptron 4ls on MNIST at batch size 1, by TPE over two optimizers and a
range of learning rates, without confirmation. `auto` has measured its fleets before, by a dry run
that is not timed. The searches propose different points, so the best accuracies are shown.
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
from lenet import dataset_files

_POINTS = 64


@dataclass(frozen=True)
class Timing:
    """One run of the command."""

    wall: float
    """seconds of the whole command, from its start to its last figure"""
    training: float
    """seconds in training steps, summed over the trials; in a fleet, each has its share"""
    best: float
    """percent of the validation samples that the best point classifies correctly"""
    fleets: int


def command(steps: int, seeds: int, *more: str) -> list[str]:
    """Return the command of the search."""
    return [
        *(sys.executable, "-m", "study.search", "fan", "--set", "model=4ls", "--set", "loss=mse"),
        *("--set", "dataset=mnist", "--set", "batch_size=1", "--set", "optimizer=sgd,adam"),
        *("--set", "lr=1e-4..0.1", "--set", f"steps={steps}", "--trials", str(_POINTS)),
        *("--seeds", str(seeds), "--confirm", "0x0", *more),
    ]


def measure(steps: int, seeds: int, pack: str) -> Timing:
    """Run the search in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        started = time.perf_counter()
        subprocess.run(
            command(steps, seeds, "--pack", pack, "--results", str(folder)),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - started
        trials = pd.read_parquet(folder / "trials.parquet")
    if len(trials) != _POINTS * seeds or not trials.status.isin(["finished", "diverged"]).all():
        raise RuntimeError("some trials are incomplete, so their cost is unknown")
    means = trials.groupby(trials.trial.str[:4]).validation_accuracy.mean()
    fleets = len(set(trials.fleet) - {""})
    return Timing(wall, float(trials.train_seconds.sum()), 100 * means.max(), fleets)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packed_search")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind")
    parser.add_argument("--steps", type=int, default=5_000, help="steps of every trial")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of every point")
    options = parser.parse_args()
    title = f"A search of {_POINTS} points of 4ls at batch size 1, packed and each alone, MNIST"
    print(header(title, typed_command("packed_search")))
    folders = dataset_files.search_path(None)
    if not any((folder / "MNIST" / "raw").is_dir() for folder in folders):
        print(f"not measured: MNIST is not in {', '.join(map(str, folders))}")
        return 0
    dry = command(options.steps, options.seeds, "--dry-run")
    subprocess.run(dry, check=True, stdout=subprocess.DEVNULL)
    timings: dict[str, list[Timing]] = {"off": [], "auto": []}
    for _ in range(options.rounds):
        for pack, found in timings.items():
            found.append(measure(options.steps, options.seeds, pack))
    rounds = "1 round" if options.rounds == 1 else f"medians of {options.rounds} rounds"
    seeds = "1 seed" if options.seeds == 1 else f"{options.seeds} seeds"
    print(f"{options.steps:,} steps a trial, {seeds} a point; seconds, {rounds}\n")
    print(f"{'':<14}{'fleets':>8}{'whole command':>16}{'training steps':>16}{'best point %':>14}")
    medians = {}
    for pack, found in timings.items():
        wall, training, best = (
            statistics.median(getattr(timing, name) for timing in found)
            for name in ("wall", "training", "best")
        )
        medians[pack] = wall, training
        row = f"{f'--pack {pack}':<14}{found[0].fleets:>8}{wall:>16.1f}{training:>16.1f}"
        print(f"{row}{best:>14.2f}")
    ratios = [off / auto for off, auto in zip(medians["off"], medians["auto"], strict=True)]
    print(f"{'times as fast':<22}" + "".join(f"{ratio:>16.1f}" for ratio in ratios))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
