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
from ray.train.torch import TorchConfig, TorchTrainer, prepare_model
from ray.train.v2.api.exceptions import WorkerGroupError
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lenet.data_parallel import Replica
from lenet.devices import training_device
from study.cluster.datasets import Shared, shared_dataset
from study.runs.storage import OutOfReach
from study.scaling.job import Job
from study.scaling.worker import train_job

_RETRIES = 2
_GROUP_SECONDS = "STUDY_PROCESS_GROUP_SECONDS"
_MIN_CPUS = 0.01  # `resources_per_worker` must not be zero


class _TimedTorchConfig(TorchConfig):
    """Ray Train's `TorchConfig`, which also times how long the process group takes to set up."""

    @property
    def backend_cls(self) -> type:
        backend: type[Any] = super().backend_cls

        class Timed(backend):  # type: ignore[misc]
            def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
                started = time.perf_counter()
                super().on_start(worker_group, backend_config)
                worker_group.execute(_store_group_seconds, time.perf_counter() - started)

        return Timed


def _store_group_seconds(seconds: float) -> None:
    os.environ[_GROUP_SECONDS] = str(seconds)


def train_with_ray(
    job: Job,
    shared: Mapping[str, Any],
    *,
    cpus_per_worker: float,
    placement: str,
    ray_seconds: float,
) -> None:
    """Train all points of `job` in one worker group on the connected cluster.

    `shared` holds references to the data sets in Ray's object store, by name. A worker that dies
    takes its group with it. A new group continues from the points' last checkpoints, at most
    twice.

    Raises: OutOfReach if a worker cannot reach the run's folder, and Ray's error otherwise.
    """
    on_gpu = job.processor == "gpu"
    with tempfile.TemporaryDirectory(prefix="study-train-") as storage:
        trainer = TorchTrainer(
            _worker,
            train_loop_config={
                "job": job.to_json(),
                "shared": shared,
                "ray_seconds": ray_seconds,
            },
            torch_config=_TimedTorchConfig(backend="nccl" if on_gpu else "gloo"),
            scaling_config=ray.train.ScalingConfig(
                num_workers=job.workers,
                use_gpu=on_gpu,
                resources_per_worker={
                    "CPU": max(_MIN_CPUS, cpus_per_worker),
                    **({"GPU": 1} if on_gpu else {}),
                },
                placement_strategy={"pack": "PACK", "spread": "SPREAD"}[placement],
            ),
            run_config=ray.train.RunConfig(
                name=job.launch,
                # For Ray's own files. Workers write results into the run's folder.
                storage_path=storage,
                failure_config=ray.train.FailureConfig(
                    max_failures=_RETRIES,
                    # By default, Ray 2.60 retries a request that can never be met forever.
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
    job = Job.from_json(config["job"])
    context = ray.train.get_context()
    device = training_device(job.processor == "gpu")
    if device.type == "cuda":
        # Not Ray's `get_device`: with more than ten GPUs in a machine, Ray 2.60 returns a
        # different one than torch's process group is bound to.
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    group_seconds = float(os.environ[_GROUP_SECONDS])
    refs: Mapping[str, ray.ObjectRef[Shared]] = config["shared"]
    train_job(
        job,
        Replica(context.get_world_rank(), context.get_world_size(), job.strategy, wrap=wrap_model),
        device,
        lambda: {name: shared_dataset(ray.get(ref)) for name, ref in refs.items()},
        {
            "ray_seconds": config["ray_seconds"],
            "launch_seconds": entered - job.requested_at - group_seconds,
            "group_seconds": group_seconds,
        },
    )


def wrap_model(model: nn.Module, **keywords: Any) -> DistributedDataParallel:
    """Wrap `model`, which is on its device, as Ray Train does."""
    device = next(model.parameters()).device
    prepared = prepare_model(model, move_to_device=device, parallel_strategy_kwargs=keywords)
    assert isinstance(prepared, DistributedDataParallel)  # as there are several workers
    return prepared
