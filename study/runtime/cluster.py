"""The Ray that trials run on: what it has, what a trial gets, and how it is reached."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lenet.config import ConfigError

# Trials that share a GPU; more gain little and each holds its own CUDA context.
_MOST_TRIALS_PER_GPU = 8

_ENVIRONMENT = {
    # Our own progress and tables stand in for Tune's console and its loggers.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Paths on the command line are relative to where the user is.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # `uv run` would otherwise build a new environment for every worker.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # CPU trials beside GPU trials see no GPU; this is the default to come.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Whoever reaches Ray's ports runs code as this user: always ask for the token.
    "RAY_AUTH_MODE": "token",
}


@dataclass(frozen=True)
class Capacity:
    """What trials can be given, on one machine or summed over a cluster."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Resources:
    """What each trial is given, and how many run at once at the most."""

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent: int

    @property
    def threads(self) -> int:
        """One torch thread per CPU granted."""
        return max(1, math.floor(self.cpus_per_trial))

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray asks for it."""
        gpus = {"GPU": self.gpus_per_trial} if self.gpus_per_trial else {}
        return {"CPU": self.cpus_per_trial, **gpus}


def this_machine() -> Capacity:
    """The CPUs this process may use and the GPUs that torch sees."""
    import torch

    return Capacity(len(os.sched_getaffinity(0)), torch.cuda.device_count())


def allot(
    capacity: Capacity,
    *,
    cpus_per_trial: float,
    gpus_per_trial: float | None,
    max_concurrent: int | None,
    trials: int,
) -> Resources:
    """What each of `trials` trials gets out of `capacity`.

    With GPUs and no fraction asked for, every GPU is shared by as many trials as there are
    CPUs to feed them, so that neither is idle. Raises `ConfigError` if no trial would fit.
    """
    if gpus_per_trial is None:
        feeders = math.floor(capacity.cpus / cpus_per_trial / capacity.gpus) if capacity.gpus else 0
        gpus_per_trial = 1 / min(max(feeders, 1), _MOST_TRIALS_PER_GPU) if capacity.gpus else 0.0
    if cpus_per_trial > capacity.cpus:
        raise ConfigError(
            f"--cpus-per-trial {cpus_per_trial:g} is more than the {capacity.cpus:g} CPUs "
            f"there are: use --cpus-per-trial {capacity.cpus:g} or less"
        )
    if gpus_per_trial > capacity.gpus:
        remedy = (
            f"use --gpus-per-trial {capacity.gpus:g} or less"
            if capacity.gpus
            else "leave --gpus-per-trial out to train on the CPU"
        )
        raise ConfigError(
            f"--gpus-per-trial {gpus_per_trial:g} is more than the {capacity.gpus:g} GPUs "
            f"there are: {remedy}"
        )
    if gpus_per_trial > 1 and gpus_per_trial != int(gpus_per_trial):
        raise ConfigError(
            f"--gpus-per-trial {gpus_per_trial:g} cannot be: above 1 Ray gives whole GPUs, "
            f"use {math.ceil(gpus_per_trial)}"
        )
    fitting = capacity.cpus / cpus_per_trial
    if gpus_per_trial:
        on_gpus = (
            capacity.gpus * math.floor(1 / gpus_per_trial + 1e-9)
            if gpus_per_trial <= 1
            else capacity.gpus / gpus_per_trial
        )
        fitting = min(fitting, on_gpus)
    concurrent = max(1, min(math.floor(fitting + 1e-9), max_concurrent or trials, trials))
    return Resources(cpus_per_trial, gpus_per_trial, concurrent)


def describe(resources: Resources) -> str:
    """What a trial gets, in words."""
    gpus = f" and {resources.gpus_per_trial:g} GPU" if resources.gpus_per_trial else ""
    return f"{resources.cpus_per_trial:g} CPU{gpus} each"


def prepare_environment() -> None:
    """Settle how Ray behaves; before `ray` is imported. What the user has set stands."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(address: str | None) -> str | None:
    """Join the cluster at `address`, or start a Ray of our own on this machine if it is
    None; the dashboard's address, or None if there is no dashboard.

    Raises `ConfigError` if the cluster cannot be reached.
    """
    prepare_environment()
    if address is None:
        ensure_token()
    import ray

    try:
        context = ray.init(
            address=address or "local", log_to_driver=False, logging_level=logging.ERROR
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        if address is None:
            raise ConfigError(
                f"Ray did not start on this machine ({reason}): see /tmp/ray/session_latest/logs"
            ) from error
        raise ConfigError(
            f"no Ray cluster at {address} ({reason}): start one with `ray start --head`, or "
            "leave --address and RAY_ADDRESS out to use this machine"
        ) from error
    url: str | None = context.dashboard_url
    return f"http://{url}" if url else None


def disconnect() -> None:
    """Leave the cluster; a Ray of our own ends. Without a connection, nothing."""
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def ensure_token() -> None:
    """Let Ray make this user's token if there is none: asked for a token by name, a local
    Ray waits for one in vain."""
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    kept = (Path.home() / ".ray" / "auth_token").is_file()
    if os.environ["RAY_AUTH_MODE"] == "token" and not given and not kept:
        command = [sys.executable, "-m", "ray.scripts.scripts", "get-auth-token", "--generate"]
        # Its output is the token: nobody is to see it.
        subprocess.run(command, check=True, capture_output=True)


def cluster_capacity() -> Capacity:
    """What the connected cluster has, idle or busy."""
    import ray

    total = ray.cluster_resources()
    return Capacity(total.get("CPU", 0), total.get("GPU", 0))
