"""One worker of a data-parallel run, whoever started it.

    python -m study.runtime.replica JOB.json                                one process, no Ray
    torchrun --nproc-per-node 2 -m study.runtime.replica JOB.json           torch's own launcher

Ray Train's workers call `train_job` too (`study.runtime.torch_trainer`): what is compared between
launchers is the launchers.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from lenet import datasets
from lenet.config import TrainConfig
from lenet.data_parallel import Replica
from lenet.datasets import Dataset
from lenet.devices import describe_device, training_device
from lenet.step_clock import StepClock
from lenet.training import Run, train
from study.runtime.checkpoint import as_bytes, restore
from study.runtime.places import place_of
from study.runtime.storage import COMPLETE, TrialFolder

Job = Mapping[str, Any]
"""What a launch is to do, as JSON holds it: see `study.runtime.scaling.job_of`."""


def train_job(
    job: Job,
    replica: Replica,
    device: torch.device,
    load: Callable[[], Mapping[str, Dataset]],
    start_up: Mapping[str, float],
) -> None:
    """Train this worker's part of every point of `job` that is not complete yet.

    `load` gets the data sets, and `start_up` says what it took to come so far, in seconds.
    Each point goes on from its checkpoint, if it has one: so a launch whose worker died is
    simply started again. The first worker writes what there is to keep.
    """
    torch.set_num_threads(job["threads"])
    started = time.perf_counter()
    loaded = {name: dataset.to(device) for name, dataset in load().items()}
    facts = {
        **{name: job[name] for name in ("launch", "launcher", "processor", "workers")},
        "oversubscribed": job["oversubscribed"],
        **start_up,
        "load_seconds": time.perf_counter() - started,
    }
    for point in job["points"]:
        folder = TrialFolder(place_of(job["run_folder"]) / "trials" / point["name"])
        if folder.state().get("status") in COMPLETE:
            continue
        config = TrainConfig.from_dict(point["settings"])
        _train_point(
            config,
            folder,
            dataset=loaded[config.dataset],
            device=device,
            replica=replica,
            facts=facts,
        )


def _train_point(
    config: TrainConfig,
    folder: TrialFolder,
    *,
    dataset: Dataset,
    device: torch.device,
    replica: Replica,
    facts: Mapping[str, Any],
) -> None:
    clock = StepClock(device)
    run = Run(config, dataset, device, replica, clock)
    records = restore(run, folder, print)
    replica.wait()  # the first worker may write only when all have read
    first = replica.rank == 0
    if first:
        gradients = sum(p.numel() * p.element_size() for p in run.model.parameters())
        folder.begin(
            {
                "name": folder.path.name,
                "device": describe_device(device),
                "threads": torch.get_num_threads(),
                "host": platform.node(),
                "pid": os.getpid(),
                "settings": config.to_dict(),
                "data_parallel": {
                    **facts,
                    "gradient_bytes": gradients,
                    # Other work slows some runs more than others: the reader should know.
                    "load_average": os.getloadavg()[0],
                },
            }
        )
    begun_at, rows = run.step, []
    for record in train(run):
        rows += clock.read()
        records.append(record)
        state = run.state_dict()  # all workers give theirs
        if first and not run.finished:
            folder.save(records, as_bytes(state))
    seconds = replica.gather(torch.tensor(rows, device=device))
    if first:
        folder.keep_timings(begun_at, seconds.tolist())
        folder.finish("diverged" if records[-1].diverged else "finished", records)


def main() -> None:
    """A worker in a process of its own, without Ray; with others if torchrun started it."""
    entered = time.time()
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    device = training_device(job["processor"] == "gpu")
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    started = time.perf_counter()
    replica = Replica()
    if job["launcher"] == "torchrun":
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        replica = Replica(torch.distributed.get_rank(), torch.distributed.get_world_size())
    start_up = {
        "ray_seconds": 0.0,
        "launch_seconds": entered - job["requested_at"],
        "group_seconds": time.perf_counter() - started,
    }
    data_dir = Path(job["data_dir"]) if job["data_dir"] else None
    names = dict.fromkeys(point["settings"]["dataset"] for point in job["points"])
    train_job(
        job,
        replica,
        device,
        lambda: {name: datasets.load(name, data_dir) for name in names},
        start_up,
    )
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
