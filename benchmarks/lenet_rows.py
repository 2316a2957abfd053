"""LeNet against a plain PyTorch script with a DataLoader: one trial, and all of Fan's grid."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

import search_spaces
from benchmarks import measured_command
from benchmarks.plain_script import TEST_SAMPLES, Script
from benchmarks.row import Row, line, quotients, take_turns
from benchmarks.table import Line
from lenet import datasets
from lenet.config import TrainConfig
from lenet.evaluation import evaluate
from lenet.run_length import RunLength
from lenet.training import Run, train

_RATES = {"sgd": 0.1, "adam": 0.001}
_BATCH_SIZE = 128
_WORKERS = 2


def mnist_root() -> Path:
    """Return the folder in which torchvision finds MNIST's files."""
    return Path(datasets.load("mnist").source).parents[1]


def _solo(quick: bool) -> Iterator[Line]:
    """Yield how many times as fast one trial trains, one torch thread each."""
    torch.set_num_threads(1)
    rounds, steps = (2, 2) if quick else (40, 10)
    root, dataset = mnist_root(), datasets.load("mnist")
    for optimizer, lr in _RATES.items():
        config = TrainConfig(
            optimizer=optimizer,
            lr=lr,
            batch_size=_BATCH_SIZE,
            record_every=steps,
            evaluate_at=(),
            epochs=10_000,  # never reached
        )
        script, records = Script(root, optimizer, lr, _BATCH_SIZE), train(Run(config, dataset))
        seconds = take_turns(rounds, partial(script.train, steps), partial(next, records))
        ours, theirs = (steps * _BATCH_SIZE / statistics.median(s) for s in reversed(seconds))
        yield line(
            f"{optimizer}, batch {_BATCH_SIZE}",
            quotients(*seconds),
            at_least=2.3,
            note=f"{ours:,.0f} samples/s instead of {theirs:,.0f}",
        )


_runs: dict[tuple[str, int], Run] = {}
"""In a process that trains Fan's points: the run of each kind."""


def _prepare() -> None:
    torch.set_num_threads(1)
    datasets.load("mnist")


def _train(config: TrainConfig, steps: int) -> None:
    run = _run_of(config)
    for _ in range(steps):
        run.train_step()


def _evaluate(config: TrainConfig, samples: int) -> None:
    run = _run_of(config)
    evaluate(run.model, run.loss, run.test_samples[:samples])


def _run_of(config: TrainConfig) -> Run:
    kind = (config.optimizer, config.batch_size)
    if kind not in _runs:
        _runs[kind] = Run(config.replace(epochs=100_000), datasets.load("mnist"))
    return _runs[kind]


def _fan(quick: bool) -> Iterator[Line]:
    """Yield how many times as fast all of Fan's grid trains as published, extrapolated."""
    rounds, stretch = (1, 256) if quick else (5, 2_560)
    evaluated = 1_000 if quick else 5_000
    root, dataset = mnist_root(), datasets.load("mnist")
    plan = [planned.config for planned in search_spaces.find("fan").plan("paper", seeds=1)]
    kinds = {(config.optimizer, config.batch_size): config for config in plan}
    context = get_context("spawn")
    workers = [
        ProcessPoolExecutor(1, mp_context=context, initializer=_prepare) for _ in range(_WORKERS)
    ]

    def together(task: Callable[..., None], *arguments: object) -> None:
        begun: list[Future[None]] = [worker.submit(task, *arguments) for worker in workers]
        for one in begun:
            one.result()

    # A script has torch's own number of threads.
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        totals: tuple[list[float], list[float]] = ([0.0] * rounds, [0.0] * rounds)
        for (optimizer, batch_size), config in kinds.items():
            steps = stretch // batch_size
            script = Script(root, optimizer, config.lr, batch_size)
            times = take_turns(
                rounds,
                partial(script.train, steps),
                partial(together, _train, config, steps),
            )
            alike = [c for c in plan if (c.optimizer, c.batch_size) == (optimizer, batch_size)]
            samples = sum(_trained_samples(c, dataset) for c in alike)
            _add(totals, times, samples / (steps * batch_size))
        times = take_turns(
            rounds,
            lambda: script.evaluate(evaluated),
            lambda: together(_evaluate, config, evaluated),
        )
        _add(totals, times, sum(_evaluated_samples(c, dataset) for c in plan) / evaluated)
    finally:
        for worker in workers:
            worker.shutdown()
    with tempfile.TemporaryDirectory() as place:
        smoke = ["--budget", "smoke", "--set", "dataset=mnist"]
        command = measured_command.train("study.grid", "fan", *smoke, folder=Path(place) / "run")
    script_seconds, training = totals
    ours = [seconds + command.outside for seconds in training]
    yield line(
        f"{len(plan)} trials, two cores",
        quotients(script_seconds, ours),
        at_least=4.0,
        note=f"{statistics.median(ours) / 60:,.0f} min instead of "
        f"{statistics.median(script_seconds) / 60:,.0f}, extrapolated: {rounds} stretches of "
        f"{stretch:,} samples of each optimizer and batch size, scaled to "
        f"{plan[0].epochs} epochs and their evaluations; ours in {_WORKERS} processes, plus the "
        f"{command.outside:.0f} s that the command takes before and after training",
    )


def _add(totals: Sequence[list[float]], times: Sequence[Sequence[float]], factor: float) -> None:
    """Add measured seconds, scaled to the whole grid. Of ours, each process does a share."""
    for total, seconds, share in zip(totals, times, (1, _WORKERS), strict=True):
        for number, value in enumerate(seconds):
            total[number] += value * factor / share


def _trained_samples(config: TrainConfig, dataset: datasets.Dataset) -> int:
    length = RunLength(config, len(dataset.split(config)[0]))
    return length.samples_after(length.total_steps)


def _evaluated_samples(config: TrainConfig, dataset: datasets.Dataset) -> int:
    train_samples, validation = dataset.split(config)
    return RunLength(config, len(train_samples)).evaluations * len(validation) + TEST_SAMPLES


ROWS = (
    Row("lenet-solo", "a loop over torchvision's DataLoader, one core", _solo),
    Row("fan-paper", "the same configs in a plain script with a DataLoader", _fan),
)
