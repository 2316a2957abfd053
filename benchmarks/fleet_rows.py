"""Fleets against the same runs one after the other, in one process with one torch thread.

Both take the same steps in each round. Half of the nets are trained by plain gradient descent and
half by Adam, each at a learning rate of its own; records are one a round, without evaluation.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import search_spaces
from benchmarks.machine import median_interval
from benchmarks.row import Row, line, quotients, take_turns
from benchmarks.table import Line
from lenet import datasets
from lenet.config import TrainConfig
from lenet.fleet import Fleet
from lenet.fleet import train as train_fleet
from lenet.records import Record
from lenet.training import Run, train
from search_spaces import flux
from search_spaces.study import PlannedTrial
from study.cluster.fleet_speed import FleetSpeeds
from study.runs.storage import parse_location
from study.runs.trial_folder import TrialFolder
from study.tuning.packing import pack

_AFTER_ANOTHER = "the same runs one after the other, one core"
_FLUX_STEPS = 20_000


@dataclass(frozen=True)
class Nets:
    """`members` nets that differ in optimizer and learning rate."""

    model: str
    loss: str
    batch_size: int
    members: int
    seeds: int = 1

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
                    epochs=100_000,  # never reached
                    record_every=steps,
                    evaluate_at=(),
                ),
                dataset,
            )
            for number in range(self.members)
        ]


def _speedups(nets: Nets, rounds: int, steps: int) -> tuple[list[float], str]:
    """Return how many times as fast the fleet is in each round, and the steps a second."""
    torch.set_num_threads(1)
    dataset = datasets.load("mnist")
    alone, fleet = nets.runs(dataset, steps), Fleet(nets.runs(dataset, steps))
    seconds = take_turns(rounds, lambda: [run.advance() for run in alone], fleet.advance)
    speeds = [nets.members * steps / statistics.median(of_block) for of_block in seconds]
    note = f"{speeds[1]:,.0f} steps/s instead of {speeds[0]:,.0f}, of all nets together"
    return quotients(*seconds), note


def _row(nets: Nets, at_least: float, name: str) -> Row:
    def measure(quick: bool) -> Iterator[Line]:
        rounds, steps = (2, 2) if quick else (15, 20)
        for seeds, limit in ((1, at_least), (nets.members, float("nan"))):
            what = f"K = {nets.members}, {'one seed' if seeds == 1 else 'a seed for each'}"
            ratios, note = _speedups(dataclasses.replace(nets, seeds=seeds), rounds, steps)
            yield line(what, ratios, at_least=limit, note=note)

    return Row(name, _AFTER_ANOTHER, measure)


def _throughput(quick: bool) -> Iterator[Line]:
    """Yield the speedup against K, of the nets that the other rows train."""
    rounds, steps = (2, 2) if quick else (9, 20)
    for label, kind in (
        ("4LS, batch 1", Nets("4ls", "mse", 1, 1)),
        ("4LS, batch 100", Nets("4ls", "mse", 100, 1)),
        ("softmax, batch 100", Nets("softmax", "cross-entropy", 100, 1)),
        ("LeNet, batch 128", Nets("lenet", "cross-entropy", 128, 1)),
    ):
        largest = 4 if quick or kind.model == "lenet" else 128
        members = 1 if not quick else largest
        while members <= largest:
            nets = dataclasses.replace(kind, members=members)
            ratios, note = _speedups(
                nets, 5 if kind.model == "lenet" and not quick else rounds, steps
            )
            yield line(f"{label}, K = {members}", ratios, x=members, note=note)
            members *= 2


def _fleets_of(
    plan: Sequence[PlannedTrial], data: Mapping[str, datasets.Dataset]
) -> list[list[str]]:
    """Return the fleets that `--pack auto` makes of a plan on one processor, by trial names."""
    speeds = FleetSpeeds(data, side_by_side=1, threads=1, use_gpu=False, kinds=2)
    with speeds.measuring():
        packed = pack(plan, speeds.fastest, speeds.speedup, side_by_side=1, must_pay=True).trials
    fleets: dict[str, list[str]] = {}
    for trial in packed:
        fleets.setdefault(trial.fleet or trial.name, []).append(trial.name)
    return list(fleets.values())


def _upc_line(quick: bool) -> Iterator[Line]:
    """Yield how much faster all of upc-line trains, without and with its trials' files."""
    torch.set_num_threads(1)
    plan = search_spaces.find("upc-line").plan("smoke" if quick else "paper", seeds=1)
    data = {"line": datasets.load("line")}
    configs = {planned.name: planned.config for planned in plan}
    fleets = _fleets_of(plan, data)

    def alone() -> dict[str, list[Record]]:
        return {name: list(train(Run(c, data["line"]))) for name, c in configs.items()}

    def packed() -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {name: [] for name in configs}
        for names in fleets:
            runs = {Run(configs[name], data["line"]): name for name in names}
            for run, record in train_fleet(list(runs)):
                found[runs[run]].append(record)
        return found

    trained: list[list[float]] = [[], []]
    written: list[list[float]] = [[], []]
    for _ in range(1 if quick else 3):
        for number, train_all in enumerate((alone, packed)):
            started = time.perf_counter()
            curves = train_all()
            middle = time.perf_counter()
            _write(curves)
            trained[number].append(middle - started)
            written[number].append(time.perf_counter() - started)
    fleet_sizes = ", ".join(str(len(names)) for names in fleets)
    of = f"{len(configs)} trials in fleets of {fleet_sizes}"
    for what, (slow, fast), limit in (
        ("without events", trained, 30.0),
        ("with events", written, float("nan")),
    ):
        note = f"{statistics.median(fast):.1f} s instead of {statistics.median(slow):.1f} s; {of}"
        yield line(what, quotients(slow, fast), at_least=limit, note=note)


def _write(curves: Mapping[str, Sequence[Record]]) -> None:
    """Write records and events of each trial, as the worker does that has trained it."""
    with tempfile.TemporaryDirectory() as place:
        for name, records in curves.items():
            folder = TrialFolder.in_run(parse_location(str(Path(place))), name)
            folder.begin({"name": name})
            folder.finish("finished", records)


def _flux(quick: bool) -> Iterator[Line]:
    """Yield how much faster Adam's trials of stochastic gradient descent train, by model."""
    torch.set_num_threads(1)
    dataset = datasets.load("mnist")
    rounds, stretch = (2, 20) if quick else (5, 250)
    plan = [
        planned.config
        for planned in search_spaces.find("flux").plan("paper", seeds=5)
        if planned.config.batch_size == 1 and planned.config.optimizer == "adam"
    ]
    totals: list[list[float]] = [[0.0] * rounds, [0.0] * rounds]
    for model in flux.MODELS:
        # The first evaluation is after 500 steps, so a short stretch has none, and a record each
        # 100 steps as in the study.
        configs = [config for config in plan if config.model == model]
        alone = [Run(config, dataset) for config in configs]
        members = [Run(config, dataset) for config in configs]
        fleet = Fleet(members)

        def train_alone(runs: Sequence[Run] = alone) -> None:
            for run in runs:
                for _ in range(stretch):
                    run.train_step()

        def train_packed(fleet: Fleet = fleet) -> None:
            fleet.train_to(fleet.step + stretch)

        seconds = take_turns(rounds, train_alone, train_packed)
        for total, of_block in zip(totals, seconds, strict=True):
            for number, value in enumerate(of_block):
                total[number] += value
        yield line(f"{model}, K = {len(configs)}", quotients(*seconds))
    scale = _FLUX_STEPS / stretch
    slow, fast = (median_interval(total)[0] * scale for total in totals)
    yield line(
        f"all {len(plan)} trials",
        quotients(*totals),
        at_least=10.0,
        note=f"{fast:,.0f} s instead of {slow:,.0f} s for {_FLUX_STEPS:,} steps, scaled from "
        f"{rounds} stretches of {stretch}; without evaluations, which are equal",
    )


ROWS = (
    _row(Nets("4ls", "mse", 1, 64), 20.0, "4ls-batch-1"),
    _row(Nets("4ls", "mse", 100, 32), 5.0, "4ls-batch-100"),
    _row(Nets("softmax", "cross-entropy", 100, 64), 5.0, "softmax-batch-100"),
    Row("throughput", _AFTER_ANOTHER, _throughput),
    Row("upc-line", _AFTER_ANOTHER, _upc_line),
    Row("flux-stochastic", _AFTER_ANOTHER, _flux),
)
