"""One worker of a data-parallel run, whoever started it.

    python -m study.scaling.worker JOB.json                        one process, no Ray
    torchrun --nproc-per-node 2 -m study.scaling.worker JOB.json   torch's own launcher

    The first is also how one process trains on several GPUs by `torch.nn.DataParallel` (the
    launcher "dataparallel"), which was not tested on GPUs.

Ray Train's workers call `train_job` too (`study.scaling.ray_train`): what is compared between
launchers is the launchers.
"""

from __future__ import annotations

import contextlib
import datetime
import json
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
    WHERE_RESULTS_LIE,
    OutOfReach,
    Place,
    not_here,
    only_here,
    place_of,
)
from study.runs.trial_folder import TrialFolder

Job = Mapping[str, Any]
"""What a launch is to do, as JSON holds it: `study.scaling.launchers` makes it of a `Launch`."""

_STEP = np.dtype(
    [
        *((name, np.int32) for name in ("rank", "step", "begun_at")),
        *((f"{phase}_seconds", np.float32) for phase in PHASES),
    ]
)
"""A row of `TrialFolder.timings`."""


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
    simply started again. The first worker writes what there is to keep. Raises
    `OutOfReach` in every worker if one of them does not find the run's folder, and
    `RuntimeError` if they find other checkpoints there.
    """
    torch.set_num_threads(job["threads"])
    home = place_of(job["run_folder"])
    _check_all_find(home, replica, device)
    started = time.perf_counter()
    loaded = {name: dataset.to(device) for name, dataset in load().items()}
    seconds = {**start_up, "load_seconds": time.perf_counter() - started}
    if _began_before(job, home):
        # Since the launch was asked for, others have trained and died.
        seconds["launch_seconds"] = math.nan
    each = torch.tensor(list(seconds.values()), dtype=torch.float64, device=device)
    slowest = replica.gather(each).amax(0).tolist()
    facts = {
        **{name: job[name] for name in ("launch", "launcher", "processor", "workers")},
        "oversubscribed": job["oversubscribed"],
        "machines": len(set(_of_each(replica, zlib.crc32(platform.node().encode()), device))),
        **dict(zip(seconds, slowest, strict=True)),
    }
    for point in job["points"]:
        folder = TrialFolder(home / "trials" / point["name"])
        # The first worker knows best: what it wrote shows late elsewhere, on some file systems.
        if _of_each(replica, folder.complete, device)[0]:
            continue
        config = TrainConfig.from_dict(point["settings"])
        _train_point(
            config,
            folder,
            dataset=loaded[config.dataset],
            device=device,
            replica=replica,
            gpus=job["workers"] if job["launcher"] == "dataparallel" else 1,
            facts=facts,
        )


def _of_each(replica: Replica, value: int, device: torch.device) -> list[int]:
    """What each worker gave, once all have."""
    gathered: list[int] = (
        replica.gather(torch.tensor([int(value)], device=device)).flatten().tolist()
    )
    return gathered


def _check_all_find(home: Place, replica: Replica, device: torch.device) -> None:
    why = not_here(home)
    found = _of_each(replica, why is None, device)
    if all(found):
        return
    elsewhere = f"the machine of worker {found.index(0)}, as it can on {platform.node()}"
    raise OutOfReach(why or f"{home} cannot be used on {elsewhere}: {WHERE_RESULTS_LIE}")


def _began_before(job: Job, home: Place) -> bool:
    """Whether this launch is tried again: a point of it began after it was asked for."""
    states = (TrialFolder(home / "trials" / point["name"]).state() for point in job["points"])
    starts = [state["started"] for state in states if state.get("started")]
    return any(
        datetime.datetime.fromisoformat(start).timestamp() > job["requested_at"] for start in starts
    )


def _train_point(
    config: TrainConfig,
    folder: TrialFolder,
    *,
    dataset: Dataset,
    device: torch.device,
    replica: Replica,
    gpus: int,
    facts: Mapping[str, Any],
) -> None:
    clock = StepClock(device)
    try:
        run = Run(config, dataset, device, replica, clock, gpus=gpus)
    except ConfigError as error:
        raise OutOfReach(only_here(error)) from error
    records = restore(run, folder, print)
    # The first worker may write only when all have read.
    found = _of_each(replica, run.step, device)
    if len(set(found)) > 1:
        raise RuntimeError(
            f"the workers find other checkpoints in {folder.path} (of steps "
            f"{', '.join(map(str, found))}): results must lie in one folder that every node "
            "reaches, or in a bucket; try again with --resume"
        )
    first, begun_at = replica.rank == 0, run.step
    timings = []
    if first:
        timings.append(_up_to(begun_at, folder))
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
    for record in train(run):
        records.append(record)
        seconds = replica.gather(torch.tensor(clock.read(), device=device))
        if first:
            timings.append(_table(seconds, begun_at, run.step))
            # Before the checkpoint: no step up to that is missing.
            folder.keep_timings(np.concatenate(timings))
            if not run.finished:
                folder.save(records, as_bytes(run.state_dict()))
    if first:
        folder.finish("diverged" if records[-1].diverged else "finished", records)


def _table(seconds: torch.Tensor, begun_at: int, last: int) -> NDArray[Any]:
    """Rows of `_STEP` from `seconds` (workers, steps, phases) of the steps up to `last`."""
    workers, steps, _ = seconds.shape
    table = np.empty((workers, steps), _STEP)
    table["rank"] = np.arange(workers)[:, None]
    table["step"] = np.arange(last - steps, last) + 1
    table["begun_at"] = begun_at
    for i, phase in enumerate(PHASES):
        table[f"{phase}_seconds"] = seconds[..., i].cpu().numpy()
    return table.reshape(-1)


def _up_to(step: int, folder: TrialFolder) -> NDArray[Any]:
    """Rows of `_STEP` of the steps that earlier attempts took and that are not taken again."""
    rows = [tuple(row.values()) for row in folder.timings() if row["step"] <= step]
    return np.array(rows, _STEP)


def _end_with(driver: int) -> None:
    """End this process when `driver` has ended: another run may go on where it was."""
    while True:
        try:
            os.kill(driver, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


def failure_of(job: Path) -> Path:
    """Where the worker that fails first says why: what torchrun prints at last is a border."""
    return job.with_suffix(".failure")


def main() -> None:
    """A worker in a process of its own, without Ray; with others if torchrun started it."""
    entered = time.time()
    path = Path(sys.argv[1])
    try:
        _work(json.loads(path.read_text(encoding="utf-8")), entered)
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        # The others fail, too, for want of this one.
        with contextlib.suppress(OSError), failure_of(path).open("x", encoding="utf-8") as failure:
            failure.write(f"{type(error).__name__}: {said}")
        raise


def _work(job: Job, entered: float) -> None:
    threading.Thread(target=_end_with, args=(job["driver"],), daemon=True).start()
    device = training_device(job["processor"] == "gpu")
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    started = time.perf_counter()
    replica = Replica()
    if job["launcher"] == "torchrun":  # else one process, of one GPU or several
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
