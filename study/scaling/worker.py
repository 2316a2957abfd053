"""One worker of a data-parallel run, whoever started it.

    python -m study.scaling.worker JOB.json                        one process, no Ray
    torchrun --nproc-per-node 2 -m study.scaling.worker JOB.json   torch's own launcher

The first form also trains with the strategy `dp`: one process that drives several GPUs (not tested:
no machine with several GPUs). Ray Train's workers call `train_job` too (`study.scaling.ray_train`),
so launchers differ in nothing but the launch.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import platform
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray

from lenet import datasets
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import Replica
from lenet.datasets import Dataset
from lenet.devices import describe_device, training_device
from lenet.records import PHASES
from lenet.step_clock import StepClock
from lenet.training import Run, train
from study.cluster.checkpoint import as_bytes, restore
from study.runs.storage import (
    SHARED_STORAGE_HINT,
    Location,
    OutOfReach,
    access_problem,
    import_problem,
    parse_location,
)
from study.runs.trial_folder import STEP_TIMING, TrialFolder
from study.scaling.job import Job, failure_file


def train_job(
    job: Job,
    replica: Replica,
    device: torch.device,
    load: Callable[[], Mapping[str, Dataset]],
    start_up: Mapping[str, float],
) -> None:
    """Train this worker's shard of every unfinished point of `job`.

    `load` returns the data sets, and `start_up` holds the seconds of start-up so far by name. Each
    point continues from its checkpoint, so a launch whose worker died is simply started again.
    Only rank 0 writes.

    Raises: OutOfReach in every worker if one of them cannot reach the run's folder, and
    `RuntimeError` if they find different checkpoints in it.
    """
    torch.set_num_threads(job.threads)
    home = parse_location(job.run_folder)
    _check_all_reach(home, replica, device)
    started = time.perf_counter()
    loaded = {name: dataset.to(device) for name, dataset in load().items()}
    seconds = {**start_up, "load_seconds": time.perf_counter() - started}
    if _is_retry(job, home):
        # The time since the request includes the training of the attempt that died.
        seconds["launch_seconds"] = math.nan
    gathered = replica.gather(
        torch.tensor(list(seconds.values()), dtype=torch.float64, device=device)
    )
    slowest = gathered.amax(0).tolist()
    hosts = _gather_ints(replica, zlib.crc32(platform.node().encode()), device)
    facts = {
        **job.facts(),
        "machines": len(set(hosts)),
        **dict(zip(seconds, slowest, strict=True)),
    }
    for point in job.points:
        folder = TrialFolder.in_run(home, point.name)
        # Ask rank 0, which wrote the folder: some file systems show writes late elsewhere.
        if _gather_ints(replica, folder.complete, device)[0]:
            continue
        _train_point(
            point.config,
            folder,
            dataset=loaded[point.config.dataset],
            device=device,
            replica=replica,
            facts=facts,
        )


def _gather_ints(replica: Replica, value: int, device: torch.device) -> list[int]:
    """Return the value of every worker, by rank."""
    values: list[int] = replica.gather(torch.tensor([int(value)], device=device)).flatten().tolist()
    return values


def _check_all_reach(home: Location, replica: Replica, device: torch.device) -> None:
    problem = access_problem(home)
    reachable = _gather_ints(replica, problem is None, device)
    if not all(reachable):
        rank = reachable.index(0)
        raise OutOfReach(
            problem
            or f"{home} can be used on {platform.node()} but not on the machine of worker {rank}: "
            f"{SHARED_STORAGE_HINT}"
        )


def _is_retry(job: Job, home: Location) -> bool:
    """Return True if a point of this launch began after the launch was requested."""
    states = (TrialFolder.in_run(home, point.name).state() for point in job.points)
    starts = [state["started"] for state in states if state.get("started")]
    return any(
        datetime.datetime.fromisoformat(start).timestamp() > job.requested_at for start in starts
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
    began = time.perf_counter()
    clock = StepClock(device)
    try:
        run = Run(config, dataset, device, replica, clock)
    except ConfigError as error:
        raise OutOfReach(import_problem(error)) from error
    records = restore(run, folder, print)
    # Rank 0 may write only after all have read.
    steps = _gather_ints(replica, run.step, device)
    if len(set(steps)) > 1:
        raise RuntimeError(
            f"the workers find different checkpoints in {folder.home} (of steps "
            f"{', '.join(map(str, steps))}): results must be in one folder that every node can "
            "reach, or in a bucket; try again with --resume"
        )
    writes, begun_at = replica.rank == 0, run.step
    timings = []
    columns: dict[str, Any] = {}
    if writes:
        timings.append(_up_to(begun_at, folder))
        columns = {
            **facts,
            "gradient_bytes": sum(p.numel() * p.element_size() for p in run.model.parameters()),
            # Other processes slow down some runs more than others.
            "load_average": os.getloadavg()[0],
        }
        folder.begin(
            {
                "name": folder.home.name,
                "device": describe_device(device),
                "threads": torch.get_num_threads(),
                "host": platform.node(),
                "pid": os.getpid(),
                "settings": config.to_dict(),
                "data_parallel": columns,
            }
        )
    for record in train(run):
        records.append(record)
        seconds = replica.gather(torch.tensor(clock.read(), device=device))
        if writes:
            timings.append(_table(seconds, begun_at, run.step))
            # Before the checkpoint, so that no step up to it is missing.
            folder.save_timings(np.concatenate(timings))
            if not run.finished:
                folder.save(records, as_bytes(run.state_dict()), run.length)
    if writes:
        status = "diverged" if records[-1].diverged else "finished"
        columns["total_seconds"] = _start_up_seconds(facts) + time.perf_counter() - began
        if begun_at:  # this attempt did not train the steps before its checkpoint
            columns["total_seconds"] = math.nan
        folder.finish(status, records, details={"data_parallel": columns})


def _start_up_seconds(facts: Mapping[str, Any]) -> float:
    """Return the seconds from the launch's request until its workers have the data.

    Ray's own start is not included: Ray starts once for all launches of a session.
    """
    names = ("launch_seconds", "group_seconds", "load_seconds")
    return sum(float(facts[name]) for name in names)


def _table(seconds: torch.Tensor, begun_at: int, last: int) -> NDArray[Any]:
    """Return rows of `STEP_TIMING` from `seconds`, of shape (workers, steps, phases)."""
    workers, steps, _ = seconds.shape
    table = np.empty((workers, steps), STEP_TIMING)
    table["rank"] = np.arange(workers)[:, None]
    table["step"] = np.arange(last - steps, last) + 1
    table["begun_at"] = begun_at
    for i, phase in enumerate(PHASES):
        table[f"{phase}_seconds"] = seconds[..., i].cpu().numpy()
    return table.reshape(-1)


def _up_to(step: int, folder: TrialFolder) -> NDArray[Any]:
    """Return the timings from earlier attempts of the steps that are not trained again."""
    timings = folder.timings()
    return timings[timings["step"] <= step]


def _exit_with(driver_pid: int) -> None:
    """End this process once the driver has ended: a resumed run may train the same points."""
    while True:
        try:
            os.kill(driver_pid, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


def main() -> None:
    """Run a worker in a process of its own, without Ray; torchrun starts several."""
    entered = time.time()
    path = Path(sys.argv[1])
    try:
        _work(Job.read(path), entered)
    except Exception as error:
        message = (str(error).strip().splitlines() or [""])[0]
        # Only the first failure is kept: the other workers fail because they lost this one.
        with contextlib.suppress(OSError), failure_file(path).open("x", encoding="utf-8") as file:
            file.write(f"{type(error).__name__}: {message}")
        raise


def _work(job: Job, entered: float) -> None:
    threading.Thread(target=_exit_with, args=(job.driver_pid,), daemon=True).start()
    device = training_device(job.processor == "gpu")
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    started = time.perf_counter()
    if job.launcher == "torchrun":
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        rank, workers = torch.distributed.get_rank(), torch.distributed.get_world_size()
        replica = Replica(rank, workers, job.strategy)
    else:  # a single process
        replica = Replica(gpus=job.workers)
    start_up = {
        "ray_seconds": 0.0,
        "launch_seconds": entered - job.requested_at,
        "group_seconds": time.perf_counter() - started,
    }
    data_dir = Path(job.data_dir) if job.data_dir else None
    train_job(
        job,
        replica,
        device,
        lambda: {name: datasets.load(name, data_dir) for name in job.datasets},
        start_up,
    )
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
