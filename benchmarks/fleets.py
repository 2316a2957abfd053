"""Steps of many small nets trained as a fleet, compared with the same nets one after the other.

    python -m benchmarks.fleets [--rounds 15] [--steps 20]

In each round, every net takes the same steps twice, on one torch thread: alone, one net after the
other, then all of them as a fleet. So other load slows both equally. Ratios are paired by round.
Records are one a round, without evaluation. Half of the nets are trained by plain gradient descent
and half by Adam, each at a learning rate of its own.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.machine import header, median_interval, typed_command
from lenet import TrainConfig, datasets
from lenet.fleet import Fleet
from lenet.training import Run


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    model: str
    loss: str
    batch_size: int
    members: int
    seeds: int
    target: float | None
    """the ratio aimed at; None: shown for comparison"""

    @property
    def name(self) -> str:
        seeds = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return f"{self.model}, batch {self.batch_size}, K = {self.members}, {seeds}"

    def runs(self, dataset: datasets.Dataset, steps: int) -> list[Run]:
        """Return the members, with a record every `steps` steps."""
        return [
            Run(
                TrainConfig(
                    model=self.model,
                    loss=self.loss,
                    batch_size=self.batch_size,
                    optimizer="sgd" if number < self.members / 2 else "adam",
                    lr=0.001 * (1 + number % 32),
                    seed=number % self.seeds,
                    epochs=1_000,  # never reached
                    record_every=steps,
                    evaluate_at=(),
                ),
                dataset,
            )
            for number in range(self.members)
        ]


CASES = (
    Case("4ls", "mse", 1, 64, 1, 20.0),
    Case("4ls", "mse", 1, 64, 64, None),
    Case("4ls", "mse", 100, 32, 1, 5.0),
    Case("4ls", "mse", 100, 32, 32, None),
    Case("softmax", "cross-entropy", 100, 64, 1, 5.0),
    Case("softmax", "cross-entropy", 100, 64, 64, None),
    *(Case("4ls", "mse", 1, members, 1, None) for members in (1, 2, 4, 8, 16, 32, 128)),
    Case("lenet", "cross-entropy", 128, 4, 1, None),
)


def measure(case: Case, dataset: datasets.Dataset, rounds: int, steps: int) -> list[float]:
    """Return (seconds alone) / (seconds as a fleet) of each round."""
    alone = case.runs(dataset, steps)
    fleet = Fleet(case.runs(dataset, steps))
    ratios = []
    for number in range(-1, rounds):  # the first one warms up
        started = time.perf_counter()
        for run in alone:
            run.advance()
        middle = time.perf_counter()
        fleet.advance()
        if number >= 0:
            ratios.append((middle - started) / (time.perf_counter() - middle))
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleets")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of every row")
    parser.add_argument("--steps", type=int, default=20, help="steps in a round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = datasets.search_path(None)
    root: Path | None = next((f for f in folders if (f / "MNIST" / "raw").is_dir()), None)
    title = "K nets trained as a fleet against one after the other, MNIST, one thread"
    print(header(title, typed_command("fleets")))
    if root is None:
        print(f"not measured: MNIST is not in {', '.join(map(str, folders))}")
        return 0
    dataset = datasets.load("mnist", root)
    print(
        f"{options.rounds} rounds of {options.steps} steps; medians over rounds with 95 % "
        f"bootstrap intervals\n\n{'':<42}{'times as fast':>22}  at least"
    )
    for case in CASES:
        median, low, high = median_interval(measure(case, dataset, options.rounds, options.steps))
        verdict = ""
        if case.target is not None:
            verdict = f"{case.target:g} ({'met' if median >= case.target else 'missed'})"
        print(f"{case.name:<42}{f'{median:.1f} [{low:.1f}, {high:.1f}]':>22}  {verdict}".rstrip())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
