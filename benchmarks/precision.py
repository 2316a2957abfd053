"""Training in bf16 compared with fp32: seconds of a step, and the accuracy with paired seeds.

    python -m benchmarks.precision [--seeds 5] [--steps 500] [--model deep-mnist]

Both precisions train the same seeds on MNIST, in turn, in one process with one torch thread. The
difference of the test accuracies is taken for each seed, and its 95% interval is Student's. The two
are equivalent if the interval lies within 0.1 point.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from scipy import stats

from benchmarks.machine import header, typed_command
from lenet import TrainConfig, datasets
from lenet.evaluation import evaluate
from lenet.training import Run

EQUIVALENT = 0.1
"""points of accuracy"""
WANTED = ("avx512_bf16", "amx_bf16")
"""the processor's flags that make bf16 products fast"""


def bf16_support() -> str:
    """Say which of the flags for bf16 the processor has."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "unknown (no /proc/cpuinfo)"
    return ", ".join(f"{flag}: {'yes' if flag in words else 'no'}" for flag in WANTED)


def train(config: TrainConfig, data: datasets.Dataset) -> tuple[float, float]:
    """Return (CPU seconds per step, test accuracy in percent)."""
    run = Run(config, data)
    run.model.train()
    started = time.process_time()
    while not run.finished:
        run.train_step()
    seconds = (time.process_time() - started) / run.step
    return seconds, 100 * evaluate(run.model, run.loss, run.test_samples)[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision")
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--model", default="deep-mnist")
    options = parser.parse_args()
    print(header(f"bf16 against fp32, {options.model}", typed_command("precision")))
    print(f"processor: {bf16_support()}")
    torch.set_num_threads(1)
    data = datasets.load("mnist")
    base = TrainConfig(
        model=options.model, lr=1e-4, batch_size=100, epochs=None, steps=options.steps
    )
    print(
        f"MNIST, {options.steps} steps of 100 samples, Adam at 1e-4, one thread; CPU time, which "
        "other\nload changes less than wall-clock time\n\n"
        f"{'seed':>4}{'fp32 ms/step':>14}{'bf16 ms/step':>14}{'ratio':>8}{'fp32 %':>9}{'bf16 %':>9}"
    )
    ratios, differences = [], []
    for seed in range(options.seeds):
        (slow, full), (fast, reduced) = (
            train(base.replace(seed=seed, precision=precision), data)
            for precision in ("fp32", "bf16")
        )
        ratios.append(slow / fast)
        differences.append(reduced - full)
        print(
            f"{seed:>4}{1e3 * slow:>14.1f}{1e3 * fast:>14.1f}{ratios[-1]:>8.2f}{full:>9.2f}"
            f"{reduced:>9.2f}",
            flush=True,
        )
    print(
        f"\nbf16 / fp32, speed: {statistics.median(ratios):.2f}x ({min(ratios):.2f} - "
        f"{max(ratios):.2f})"
    )
    mean = statistics.mean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    within = max(abs(mean - half), abs(mean + half)) <= EQUIVALENT
    outside = mean - half > EQUIVALENT or mean + half < -EQUIVALENT
    verdict = "equivalent" if within else "not equivalent" if outside else "undecided"
    print(
        f"bf16 - fp32, test accuracy: {mean:+.2f} points [{mean - half:+.2f}, {mean + half:+.2f}]: "
        f"{verdict} within {EQUIVALENT} point"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
