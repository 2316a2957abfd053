"""What large batches cost beside arithmetic: evaluation by batch size, the gather of all images.

    python -m benchmarks.batches

Processor time of one torch thread on MNIST. Sizes and parts take turns; each number is the median.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from benchmarks.machine import header, typed_command
from lenet import TrainConfig, datasets, evaluation
from lenet.training import Run

_ROUNDS = 5
_SIZES = (100, 250, 500)
_EVALUATED = ("deep-mnist", "lenet5-tanh", "lenet")
_PERCEPTRONS = {"4ls": "mse", "2lr": "cross-entropy", "3ls": "mse"}


def main() -> int:
    """Measure and print both."""
    torch.set_num_threads(1)
    print(header("large batches", typed_command("batches")))
    data = datasets.load("mnist")
    print("Evaluation of 10,000 images, ms by the images that the net gets at once")
    for model in _EVALUATED:
        run = Run(TrainConfig(model=model), data)
        found = _medians({str(size): _evaluation(run, size) for size in _SIZES})
        print(f"  {model:12} " + "  ".join(f"{size}: {ms:7.0f}" for size, ms in found.items()))
    print("A step on all 60,000 images, ms, and their gather in a new order, which it does without")
    order = torch.randperm(len(data.train))
    for model, loss in _PERCEPTRONS.items():
        config = TrainConfig(
            model=model,
            loss=loss,
            batch_size=60_000,
            validation_fraction=0.0,
            epochs=None,
            steps=100,
        )
        run = Run(config, data)
        assert run.length.full_batch
        parts = {"step": run.train_step, "gather": lambda: data.train[order]}
        found = _medians(parts)
        print(f"  {model:12} " + "  ".join(f"{part}: {ms:7.0f}" for part, ms in found.items()))
    return 0


def _evaluation(run: Run, size: int) -> Callable[[], object]:
    def evaluate() -> object:
        evaluation.EVALUATION_BATCH = size
        return evaluation.evaluate(run.model, run.loss, run.test_samples)

    return evaluate


def _medians(work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median milliseconds of each function, of rounds in which they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(_ROUNDS + 1):
        for name, function in work.items():
            started = time.process_time()
            function()
            taken[name].append(1000 * (time.process_time() - started))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


if __name__ == "__main__":
    raise SystemExit(main())
