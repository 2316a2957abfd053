"""A step on two CPU workers: DistributedDataParallel, an explicit all-reduce, Ray and torchrun.

    python -m benchmarks.data_parallel [--rounds 20] [--steps 10] [--nets lenet,lenet-x4,deep-mnist]

Two workers of Ray Train and two of torchrun, one thread each, hold the same run and take turns, one
block of steps each, so that other load slows all of them equally. Ratios compare blocks of a round.
Ray's workers also train a block without communication (`no_sync`): the difference between
synchronized steps and those tests the communication that the step's clock reports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

from benchmarks.machine import header, median_interval, typed_command
from lenet import TrainConfig, datasets
from lenet.data_parallel import Replica
from lenet.dataset_files import find_root, search_path
from lenet.step_clock import StepClock
from lenet.training import Run

WORKERS = 2
WARM_UP_ROUNDS = 2
CONTENDERS = {
    "DDP, Ray": ("ray", "ddp", True),
    "explicit, Ray": ("ray", "explicit", True),
    "DDP, torchrun": ("torchrun", "ddp", True),
    "DDP without communication, Ray": ("ray", "ddp", False),
}
"""In the order of their turns: launcher, strategy, whether steps synchronize."""

NETS = {
    "lenet": TrainConfig(batch_size=128, epochs=10_000),
    "lenet-x4": TrainConfig(width=4, batch_size=128, epochs=10_000),
    "deep-mnist": TrainConfig(
        model="deep-mnist", optimizer="tf1-adam", batch_size=150, dropout=0.5, epochs=10_000
    ),
}

Blocks = dict[str, dict[str, list[float]]]
"""By contender: `step`, milliseconds per step of each block, and `communication`, of them."""


def take_turns(replica: Replica, launcher: str, job: dict[str, Any]) -> None:
    """Train this launcher's blocks when it is their turn, and write their milliseconds."""
    torch.set_num_threads(1)
    dataset = datasets.load("mnist", Path(job["data_dir"]))
    folder = Path(job["folder"])
    turn = 0
    for net in job["nets"]:
        blocks: Blocks = {}
        runs = {}
        for name, (of, strategy, _) in CONTENDERS.items():
            if of == launcher:
                clock = StepClock(torch.device("cpu"))
                member = Replica(replica.rank, replica.workers, strategy, wrap=replica.wrap)
                runs[name] = Run(NETS[net], dataset, "cpu", member, clock), clock
                runs[name][0].model.train()
                blocks[name] = {"step": [], "communication": []}
        for number in range(-WARM_UP_ROUNDS, job["rounds"]):
            for name, (of, _, synchronizes) in CONTENDERS.items():
                if of == launcher:
                    _wait_for(folder / f"turn-{turn}", replica)
                    seconds, communication = _block(*runs[name], job["steps"], synchronizes)
                    if number >= 0:
                        blocks[name]["step"].append(1e3 * seconds)
                        blocks[name]["communication"].append(1e3 * communication)
                    if replica.rank == 0:
                        (folder / f"turn-{turn + 1}").touch()
                turn += 1
        if replica.rank == 0:
            (folder / f"{launcher}-{net}.json").write_text(json.dumps(blocks), encoding="utf-8")


def _wait_for(path: Path, replica: Replica) -> None:
    while replica.rank == 0 and not path.exists():
        time.sleep(0.002)
    replica.barrier()


def _block(run: Run, clock: StepClock, steps: int, synchronizes: bool) -> tuple[float, float]:
    """Return the seconds per step of a block, and those of its communication."""
    forward = cast(DistributedDataParallel, run.forward)
    with contextlib.nullcontext() if synchronizes else forward.no_sync():
        started = time.perf_counter()
        clock.begin()
        for _ in range(steps):
            run.train_step()
            clock.end_step()
        run.replica.barrier()
        seconds = time.perf_counter() - started
    communication = sum(row[-1] for row in clock.read())
    return seconds / steps, communication / steps


def _under_ray(job: dict[str, Any]) -> None:
    """Train the blocks of Ray's workers."""
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer

    def worker() -> None:
        from study.scaling.ray_train import wrap_model

        context = ray.train.get_context()
        rank, workers = context.get_world_rank(), context.get_world_size()
        take_turns(Replica(rank, workers, wrap=wrap_model), "ray", job)

    TorchTrainer(
        worker,
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ray.train.ScalingConfig(num_workers=WORKERS),
        run_config=ray.train.RunConfig(storage_path=job["folder"]),
    ).fit()


def _under_torchrun(job: dict[str, Any]) -> None:
    torch.distributed.init_process_group("gloo")
    take_turns(
        Replica(torch.distributed.get_rank(), torch.distributed.get_world_size()), "torchrun", job
    )
    torch.distributed.destroy_process_group()


def print_table(net: str, blocks: Blocks) -> None:
    """Print the table of one net."""
    print(f"\n{net:<32}{'ms per step':>24}{'communication, ms':>24}{'DDP, Ray / this':>22}")
    base = blocks["DDP, Ray"]["step"]
    for name in CONTENDERS:
        cells = [_interval(blocks[name]["step"], 1)]
        cells.append(_interval(blocks[name]["communication"], 1) if CONTENDERS[name][2] else "-")
        ratios = [one / other for one, other in zip(base, blocks[name]["step"], strict=True)]
        cells.append(_interval(ratios, 2))
        print(f"{name:<32}{cells[0]:>24}{cells[1]:>24}{cells[2]:>22}")


def _interval(values: list[float], digits: int) -> str:
    median, low, high = median_interval(values)
    return f"{median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def main() -> int:
    if len(sys.argv) == 2 and sys.argv[1].endswith("job.json"):  # a worker of torchrun
        _under_torchrun(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_parallel")
    parser.add_argument("--rounds", type=int, default=20, help="blocks of every contender")
    parser.add_argument("--steps", type=int, default=10, help="steps in a block")
    parser.add_argument("--nets", default=",".join(NETS), help=f"of {', '.join(NETS)}")
    options = parser.parse_args()
    root = find_root("mnist", None)
    title = f"A training step on {WORKERS} CPU workers, MNIST, one thread each, gloo"
    print(header(title, typed_command("data_parallel")))
    if root is None:
        print(f"not measured: MNIST is not in {', '.join(map(str, search_path(None)))}")
        return 0
    from study.cluster import connection

    connection.connect(None)
    with tempfile.TemporaryDirectory() as place:
        nets = options.nets.split(",")
        job = {
            "folder": place,
            "data_dir": str(root.resolve()),
            "nets": nets,
            "rounds": options.rounds,
            "steps": options.steps,
        }
        path = Path(place) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        (Path(place) / "turn-0").touch()
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
        torchrun += ["--nproc-per-node", str(WORKERS), "-m", "benchmarks.data_parallel", str(path)]
        with subprocess.Popen([sys.executable, *torchrun]) as others:
            _under_ray(job)
            if others.wait():
                raise RuntimeError("torchrun's workers failed")
        print(
            f"{options.rounds} rounds of {options.steps} steps; medians over blocks with 95 % "
            "bootstrap intervals,\nratios paired by round; a step ends when both workers have"
        )
        for net in nets:
            blocks: Blocks = {}
            for launcher in ("ray", "torchrun"):
                text = (Path(place) / f"{launcher}-{net}.json").read_text(encoding="utf-8")
                blocks |= json.loads(text)
            print_table(net, blocks)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
