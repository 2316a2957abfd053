"""Measure everything that this project claims of GPUs, on the one that is here.

    python -m benchmarks.gpu                under 30 minutes on one GPU; needs torch, not Ray
    python -m benchmarks.gpu --device cpu   the same code, tiny, on the CPU: a smoke test

Each line is printed and written as soon as it is measured. OUT/fan-hardware is a run: LeNet's whole
time T and iterations per second on the CPU and on the GPU, as in Fan's figures 5 and 6.

    python -m study.report results/gpu/fan-hardware
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import table
from lenet.config import ConfigError, TrainConfig
from study.commandline import Parser, existing_folder, output_folder, run_command

if TYPE_CHECKING:
    import argparse

    from benchmarks.row import Row
    from benchmarks.table import Line
    from lenet.datasets import Dataset

_NETS = {
    "LeNet": TrainConfig(batch_size=128),
    "Deep MNIST": TrainConfig(model="deep-mnist", batch_size=100, lr=1e-4),
    "4LS": TrainConfig(model="4ls", loss="mse", batch_size=100),
}
_AT_LEAST = {"LeNet": 15.0, "Deep MNIST": 3.0}
_SHARING = 4
"""processes that share the device"""
_RANKS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if a row failed, or 2 for bad input or without a GPU."""
    return run_command(_parser(), _measure, arguments)


def _parser() -> Parser:
    parser = Parser("python -m benchmarks.gpu", __doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="(cuda)")
    parser.add_argument("--data-dir", type=existing_folder, help="folder of the data sets")
    parser.add_argument(
        "--out", type=output_folder, default=Path("results") / "gpu", help="(results/gpu)"
    )
    return parser


@dataclass(frozen=True)
class Bench:
    """What all rows share."""

    device: str
    dataset: str
    data_dir: Path | None
    folder: Path

    @property
    def tiny(self) -> bool:
        """Whether numbers mean nothing: on the CPU, this is a smoke test."""
        return self.device == "cpu"

    @property
    def rounds(self) -> int:
        return 1 if self.tiny else 7

    @property
    def steps(self) -> int:
        """Training steps in a block."""
        return 4 if self.tiny else 300

    def load(self) -> Dataset:
        import torch

        from lenet import datasets

        return datasets.load(self.dataset, self.data_dir).to(torch.device(self.device))


def _measure(options: argparse.Namespace, _: Sequence[str]) -> int:
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "torch sees no GPU, and this measures one: run it on a machine with a GPU, or try the "
            "code with --device cpu"
        )
    dataset = "digits" if options.device == "cpu" else _dataset(options.data_dir)
    bench = Bench(options.device, dataset, options.data_dir, options.out)
    print(f"{table.device(options.device)}, data set {dataset}, into {options.out}")
    rows = _rows(bench)
    failed = []
    for row in rows:
        if not table.measure(row, bench.tiny, options.out, [row.name for row in rows]):
            failed.append(row.name)
    return 1 if failed else 0


def _dataset(data_dir: Path | None) -> str:
    """Return the data set to train on; the digits if MNIST is not to be had."""
    from lenet import datasets
    from lenet.dataset_files import DataUnavailable

    try:
        return datasets.load("mnist", data_dir).name
    except DataUnavailable as error:
        print(f"{error.problem}: training on the digits instead")
        return "digits"


def _rows(bench: Bench) -> list[Row]:
    from benchmarks.row import Row

    def row(name: str, baseline: str, measure: Callable[[Bench], Iterator[Line]]) -> Row:
        return Row(name, baseline, lambda _: measure(bench))

    return [
        row("throughput", "one trial of the same net on the same device", _throughput),
        row("sharing", "processes that share the device, a trial each", _sharing),
        row("bf16", "the same steps in fp32", _bf16),
        row("two-ranks", "one process on the same device", _two_ranks),
        row("fan-hardware", "none: Fan's figures 5 and 6, a run of study.scaling", _hardware),
    ]


def _config(bench: Bench, net: str, **settings: Any) -> TrainConfig:
    # Records and epochs are never reached.
    length = {"epochs": 1_000_000, "evaluate_at": (10**9,), "record_every": 10**9}
    return _NETS[net].replace(dataset=bench.dataset, **length, **settings)


def _solo(bench: Bench, config: TrainConfig) -> Callable[[], None]:
    """Return what trains a block of steps alone, and waits for the device."""
    from lenet.training import Run

    run = Run(config, bench.load(), bench.device)

    def train() -> None:
        for _ in range(bench.steps):
            run.train_step()
        run.synchronize()

    return train


def _fleet(bench: Bench, net: str, members: int) -> Callable[[], None]:
    """Return what trains a block of steps of a fleet of one seed, Adam at several rates."""
    from lenet.fleet import Fleet
    from lenet.training import Run

    dataset = bench.load()
    rates = (1e-4 * (1 + number % 32) for number in range(members))
    fleet = Fleet([Run(_config(bench, net, lr=lr), dataset, bench.device) for lr in rates])
    return lambda: fleet.train_to(fleet.step + bench.steps)


def _sizes(bench: Bench) -> Iterator[int]:
    return itertools.takewhile(lambda k: k <= (2 if bench.tiny else 256), _powers())


def _powers() -> Iterator[int]:
    return (2**power for power in itertools.count(1))


def _throughput(bench: Bench) -> Iterator[Line]:
    """Yield the steps/s of all members against K, relative to one trial; then the best K."""
    import torch

    from benchmarks.row import line, quotients, take_turns

    for net in _NETS:
        alone = _solo(bench, _config(bench, net))
        best: tuple[int, list[float]] = (1, [1.0])
        for members in _sizes(bench):
            try:
                seconds = take_turns(bench.rounds, alone, _fleet(bench, net, members))
            except torch.OutOfMemoryError:
                break
            ratios = [members * ratio for ratio in quotients(*seconds)]
            speed = members * bench.steps / statistics.median(seconds[1])
            note = f"{speed:,.0f} steps/s of all members together"
            yield line(f"{net}, K = {members}", ratios, x=members, note=note)
            if statistics.median(ratios) > statistics.median(best[1]):
                best = members, ratios
        limit = _AT_LEAST.get(net, float("nan"))
        yield line(f"{net}, best K ({best[0]})", best[1], at_least=limit)


def _sharing(bench: Bench) -> Iterator[Line]:
    """Yield how many times as many steps a second one fleet of LeNets takes."""
    from benchmarks.row import line, quotients, take_turns

    context = get_context("spawn")
    barrier = context.Barrier(_SHARING + 1)
    blocks = 1 + bench.rounds
    processes = [
        context.Process(target=_share, args=(bench, blocks, barrier)) for _ in range(_SHARING)
    ]
    for process in processes:
        process.start()
    try:

        def shared() -> None:
            _meet(barrier, processes)
            _meet(barrier, processes)

        members = 2 if bench.tiny else 64
        seconds = take_turns(bench.rounds, shared, _fleet(bench, "LeNet", members))
    finally:
        barrier.abort()
        for process in processes:
            process.join()
    ratios = [ratio * members / _SHARING for ratio in quotients(*seconds)]
    yield line(f"LeNet, K = {members}, against {_SHARING}", ratios, at_least=5.0)


def _meet(barrier: Any, processes: Sequence[Any]) -> None:
    """Wait until all `processes` are at the barrier, too.

    Raises: RuntimeError if one of them has failed.
    """
    while barrier.n_waiting < len(processes):
        if any(process.exitcode for process in processes):
            raise RuntimeError("a process that shares the device failed: see its error above")
        time.sleep(0.0005)  # a block takes 100 times as long
    barrier.wait(600)


def _share(bench: Bench, blocks: int, barrier: Any) -> None:
    """Train blocks of steps beside the other processes, each begun and ended by all together."""
    import torch

    if bench.tiny:
        torch.set_num_threads(1)
    train = _solo(bench, _config(bench, "LeNet"))
    train()
    for _ in range(blocks):
        barrier.wait(600)
        train()
        barrier.wait(600)


def _bf16(bench: Bench) -> Iterator[Line]:
    """Yield how many times as fast steps in bf16 are."""
    from benchmarks.row import line, quotients, take_turns

    for net in ("LeNet", "Deep MNIST"):
        full, reduced = (_solo(bench, _config(bench, net, precision=p)) for p in ("fp32", "bf16"))
        yield line(net, quotients(*take_turns(bench.rounds, full, reduced)))


def _two_ranks(bench: Bench) -> Iterator[Line]:
    """Yield how many times as fast two data-parallel ranks on one device train one LeNet."""
    from benchmarks.row import line, quotients, take_turns

    # NCCL refuses two ranks on one GPU, gloo does not.
    context = get_context("spawn")
    times = context.SimpleQueue()
    address = f"file://{bench.folder.resolve()}/ranks-{os.getpid()}"
    ranks = [context.Process(target=_rank, args=(bench, n, address, times)) for n in range(_RANKS)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    if any(process.exitcode for process in ranks):
        raise RuntimeError("a data-parallel rank failed: see its error above")
    (alone,) = take_turns(bench.rounds, _solo(bench, _config(bench, "LeNet")))
    yield line(
        f"LeNet, {_RANKS} ranks by gloo",
        quotients(alone, times.get()),
        note="one after the other, not in turns: a rank waits for the other",
    )


def _rank(bench: Bench, rank: int, address: str, times: Any) -> None:
    """Train as one of the ranks; the first one reports the seconds of each block."""
    import torch

    from lenet.data_parallel import Replica
    from lenet.training import Run

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=_RANKS)
    run = Run(_config(bench, "LeNet"), bench.load(), bench.device, Replica(rank, _RANKS))
    seconds = []
    for _ in range(1 + bench.rounds):
        run.replica.barrier()
        started = time.perf_counter()
        for _ in range(bench.steps):
            run.train_step()
        run.synchronize()
        seconds.append(time.perf_counter() - started)
    if rank == 0:
        times.put(seconds[1:])
    torch.distributed.destroy_process_group()


def _hardware(bench: Bench) -> Iterator[Line]:
    """Train Fan's hardware experiment on the CPU and the GPU, in plain processes."""
    import pandas as pd

    from benchmarks import measured_command
    from benchmarks.row import line, quotients

    folder = bench.folder / "fan-hardware"
    devices = "cpu" if bench.tiny else "cpu,gpu"
    options = ["--device", devices, "--workers", "1", "--launchers", "plain"]
    options += ["--repeats", "1" if bench.tiny else "3"]
    options += ["--budget", "smoke" if bench.tiny else "quick", "--set", f"dataset={bench.dataset}"]
    options += ["--data-dir", str(bench.data_dir)] if bench.data_dir else []
    measured_command.run("study.scaling", "fan-hardware", *options, "--results", str(folder))
    trials = pd.read_parquet(folder / "trials.parquet").sort_values("seed")
    for processor, part in trials.groupby("processor"):
        yield line(f"LeNet on the {processor}", list(part["steps_per_second"]), "steps/s")
    if not bench.tiny:
        cpu, gpu = (list(trials[trials["processor"] == p]["train_seconds"]) for p in ("cpu", "gpu"))
        yield line("training time, CPU / GPU", quotients(cpu, gpu))


if __name__ == "__main__":
    sys.exit(main())
