"""What large batches cost beside arithmetic: evaluation by batch size, the gather of all images.

    python -m benchmarks.batches

Processor time of one torch thread on MNIST; each number is the median of a few rounds. Each batch
size is measured in a process of its own: what the allocator does with memory depends on what the
process did before.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor

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
        _print_row(model, {str(size): _in_new_process(model, size) for size in _SIZES})
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
        _print_row(model, _medians(parts))
    return 0


def _print_row(model: str, milliseconds: Mapping[str, float]) -> None:
    print(f"  {model:12} " + "  ".join(f"{what}: {ms:7.0f}" for what, ms in milliseconds.items()))


def _in_new_process(model: str, size: int) -> float:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        return executor.submit(evaluation_milliseconds, model, size).result()


def evaluation_milliseconds(model: str, size: int) -> float:
    """Return the milliseconds in which `model` evaluates the test set, by `size` images."""
    torch.set_num_threads(1)
    run = Run(TrainConfig(model=model), datasets.load("mnist"))
    evaluation.EVALUATION_BATCH = size
    evaluate = {"": lambda: evaluation.evaluate(run.model, run.loss, run.test_samples)}
    return _medians(evaluate)[""]


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
