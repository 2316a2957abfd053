"""A data-parallel launch through Ray Train's `TorchTrainer`."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.exceptions import WorkerGroupError

from lenet.data_parallel import Replica
from lenet.devices import training_device
from study.runs.storage import OutOfReach
from study.scaling.worker import Job, train_job
from study.tuning.trial import Shared, shared_dataset

_RETRIES = 2
_GROUP_SECONDS = "STUDY_PROCESS_GROUP_SECONDS"
_LEAST_CPUS = 0.01  # Ray counts in hundredths and better


class _MeasuredTorchConfig(TorchConfig):
    """Torch's process group as Ray Train sets it up, and how long that took."""

    @property
    def backend_cls(self) -> type:
        backend: type[Any] = super().backend_cls

        class Measured(backend):  # type: ignore[misc]
            def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
                started = time.perf_counter()
                super().on_start(worker_group, backend_config)
                worker_group.execute(_remember, time.perf_counter() - started)

        return Measured


def _remember(seconds: float) -> None:
    os.environ[_GROUP_SECONDS] = str(seconds)


def train_with_ray(
    job: Job,
    shared: Mapping[str, Any],
    *,
    cpus_per_worker: float,
    placement: str,
    ray_seconds: float,
) -> None:
    """Train all points of `job` in one group of workers on the connected cluster; `shared` are
    the data sets in Ray's object store, by name.

    A worker that dies takes its group with it; a new group goes on from the points' last
    checkpoints, twice at the most. Raises `OutOfReach` if a worker does not find the run's
    folder, and Ray's error for all else.
    """
    on_gpu = job["processor"] == "gpu"
    with tempfile.TemporaryDirectory(prefix="study-train-") as storage:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"job": dict(job), "shared": shared, "ray_seconds": ray_seconds},
            torch_config=_MeasuredTorchConfig(backend="nccl" if on_gpu else "gloo"),
            scaling_config=ray.train.ScalingConfig(
                num_workers=job["workers"],
                use_gpu=on_gpu,
                resources_per_worker={
                    "CPU": max(_LEAST_CPUS, cpus_per_worker),
                    **({"GPU": 1} if on_gpu else {}),
                },
                placement_strategy={"pack": "PACK", "spread": "SPREAD"}[placement],
            ),
            run_config=ray.train.RunConfig(
                name=job["launch"],
                # What is to be kept is written into the run's own folder.
                storage_path=storage,
                failure_config=ray.train.FailureConfig(
                    max_failures=_RETRIES,
                    # Its default tries for ever what can never be had.
                    controller_failure_limit=_RETRIES,  # type: ignore[call-arg]
                ),
            ),
        )
        try:
            trainer.fit()
        except WorkerGroupError as error:
            for failure in error.worker_failures.values():
                cause = getattr(failure, "_base_exc", failure)
                if isinstance(cause, OutOfReach):
                    raise cause from error
            raise


def _worker(config: dict[str, Any]) -> None:
    entered = time.time()
    job = config["job"]
    context = ray.train.get_context()
    device = training_device(job["processor"] == "gpu")
    if device.type == "cuda":
        # Not Ray's `get_device`: with more than ten GPUs in a machine it names another one than
        # torch's process group has bound.
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    group_seconds = float(os.environ[_GROUP_SECONDS])
    refs: Mapping[str, ray.ObjectRef[Shared]] = config["shared"]
    train_job(
        job,
        Replica(context.get_world_rank(), context.get_world_size()),
        device,
        lambda: {name: shared_dataset(ray.get(ref)) for name, ref in refs.items()},
        {
            "ray_seconds": config["ray_seconds"],
            "launch_seconds": entered - job["requested_at"] - group_seconds,
            "group_seconds": group_seconds,
        },
    )
