"""The Ray that trials run on: what it has, what a trial gets, and how it is reached."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenet.config import ConfigError
from study.interruption import end_as_by_ctrl_c

if TYPE_CHECKING:
    from rich.console import Console

# Trials that share a GPU; more gain little and each holds its own CUDA context.
_MOST_TRIALS_PER_GPU = 8
_SECONDS_TO_ANSWER = 10.0
_MOST_SECONDS_TO_COME = 1_200.0  # of machines that are asked for; a cloud takes minutes

_ENVIRONMENT = {
    # Our own progress and tables stand in for Tune's console and its loggers.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Paths on the command line are relative to where the user is.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # `uv run` would otherwise build a new environment for every worker.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True)
class Node:
    """What one machine has to give; a trial fits into one machine or not at all."""

    cpus: float
    gpus: float

    def fits(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """How many trials of this size run here at once."""
        by_cpu = math.floor(self.cpus / cpus_per_trial + 1e-9)
        if not gpus_per_trial:
            return by_cpu
        if gpus_per_trial > 1:
            return min(by_cpu, math.floor(self.gpus / gpus_per_trial + 1e-9))
        # Ray takes a fraction from one GPU; what is left of each is not put together.
        return min(by_cpu, math.floor(self.gpus) * math.floor(1 / gpus_per_trial + 1e-9))


@dataclass(frozen=True)
class Resources:
    """What each trial is given, and how many run at once."""

    cpus_per_trial: float
    gpus_per_trial: float
    concurrent: int | None
    """at the most; None: as many as there is room for, on machines that join later, too"""
    at_first: int
    """how many there is room for on the machines that are there"""
    side_by_side: int
    """how many of these have a processor of their own; 1 where there are none yet"""

    @property
    def threads(self) -> int:
        """One torch thread per CPU granted."""
        return max(1, math.floor(self.cpus_per_trial))

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray asks for it."""
        gpus = {"GPU": self.gpus_per_trial} if self.gpus_per_trial else {}
        return {"CPU": self.cpus_per_trial, **gpus}


def this_machine() -> Node:
    """The CPUs that this process may use and the GPUs that torch sees."""
    import torch

    return Node(_usable_cpus(), torch.cuda.device_count())


def _usable_cpus() -> int:
    """As many as the affinity and, in a container, the quota allow."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        cpus = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return max(1, min(cpus, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup, or its quota is "max"
        return cpus


def allot(
    nodes: Sequence[Node],
    *,
    cpus_per_trial: float,
    gpus_per_trial: float | None,
    max_concurrent: int | None,
    trials: int,
    may_grow: bool = False,
    autoscale: bool = False,
) -> Resources:
    """What each of `trials` trials gets out of `nodes`, to which more may be added in mid-run if
    they `may_grow`; with `autoscale`, what they have now says nothing of what they will have.

    With GPUs and no fraction asked for, every GPU is shared by as many trials as there are
    CPUs to feed them, so that neither is idle. Raises `ConfigError` if no trial would fit.
    """
    if gpus_per_trial is None:
        shares = [
            min(max(math.floor(node.cpus / cpus_per_trial / node.gpus), 1), _MOST_TRIALS_PER_GPU)
            for node in nodes
            if node.gpus
        ]
        if autoscale and not shares:
            raise ConfigError(
                "--autoscale: no machine with a GPU is there yet, so say what a trial is to have: "
                "--gpus-per-trial 0.25, for one, or 0 to train on the CPU"
            )
        gpus_per_trial = 1 / max(shares) if shares else 0.0
    if gpus_per_trial > 1 and gpus_per_trial != int(gpus_per_trial):
        raise ConfigError(
            f"--gpus-per-trial {gpus_per_trial:g} cannot be: above 1 Ray gives whole GPUs, "
            f"use {math.ceil(gpus_per_trial)}"
        )
    fitting = sum(node.fits(cpus_per_trial, gpus_per_trial) for node in nodes)
    if not fitting and not autoscale:
        elsewhere = "; or --autoscale, if this cluster adds machines by itself" if may_grow else ""
        raise ConfigError(_does_not_fit(nodes, cpus_per_trial, gpus_per_trial) + elsewhere)
    at_once = min(fitting, max_concurrent or trials, trials)
    threads = max(1, math.floor(cpus_per_trial))
    cpus = sum(node.cpus for node in nodes)
    return Resources(
        cpus_per_trial,
        gpus_per_trial,
        concurrent=max_concurrent if may_grow else at_once,
        at_first=at_once,
        side_by_side=max(1, min(at_once, int(cpus / threads))),
    )


def _does_not_fit(nodes: Sequence[Node], cpus_per_trial: float, gpus_per_trial: float) -> str:
    """Why no trial of this size has room on any of `nodes`, and what to type instead."""
    most_cpus = max((node.cpus for node in nodes), default=0)
    most_gpus = max((node.gpus for node in nodes), default=0)
    if not most_cpus:
        return "no machine has a CPU for trials yet: start workers, which the head alone is not"
    if cpus_per_trial > most_cpus:
        return (
            f"--cpus-per-trial {cpus_per_trial:g} is more than the {most_cpus:g} CPUs there "
            f"are on one machine: use --cpus-per-trial {most_cpus:g} or less"
        )
    if gpus_per_trial > most_gpus:
        remedy = (
            f"use --gpus-per-trial {most_gpus:g} or less"
            if most_gpus
            else "leave --gpus-per-trial out to train on the CPU"
        )
        return (
            f"--gpus-per-trial {gpus_per_trial:g} is more than the {most_gpus:g} GPUs there "
            f"are on one machine: {remedy}"
        )
    return (
        f"no machine has {cpus_per_trial:g} CPUs and {gpus_per_trial:g} GPUs together: ask "
        "for less with --cpus-per-trial and --gpus-per-trial"
    )


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

    SIGTERM still is as Ctrl-C (`end_as_by_ctrl_c`). Raises `ConfigError` if the cluster cannot be
    reached.
    """
    prepare_environment()
    if address is None:
        require_token()
    else:
        _check_answers(address)
    import ray  # it reads its environment and the token when imported

    options: dict[str, Any] = {"address": address}
    if address is None:
        machine = this_machine()
        options = {"address": "local", "num_cpus": machine.cpus, "num_gpus": int(machine.gpus)}
    try:
        # Of a node that is lost, Ray would print the log; what it means for a trial is said by us.
        context = ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # Ray raises a bare Exception where a process of its own is late
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if address is None:
            raise ConfigError(
                f"Ray did not start on this machine ({reason}): try again when it is less "
                "busy, or see /tmp/ray/session_latest/logs"
            ) from error
        remedy = "start one with `ray start --head`"
        if ":" in address:  # where something answers, but Ray does not say why it refuses
            remedy = (
                "something answers there; if it is a cluster's head, have its token, which `ray "
                "get-auth-token` prints there, in ~/.ray/auth_token here, and RAY_AUTH_MODE=token"
            )
        raise ConfigError(
            f"cannot join a Ray cluster at {address} ({reason}): {remedy}; or leave --address and "
            "RAY_ADDRESS out to use this machine"
        ) from error
    end_as_by_ctrl_c()  # Ray's own handler would print a stack and lose the report
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    url: str | None = context.dashboard_url
    return f"http://{url}" if url else None


def disconnect() -> None:
    """Leave the cluster; a Ray of our own ends. Without a connection, nothing."""
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def _check_answers(address: str) -> None:
    """Raise `ConfigError` if nothing listens at `HOST:PORT`: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host:  # such as "auto"
        return
    if not (port.isdecimal() and 0 < int(port) < 65_536):
        raise ConfigError(f"{port!r} of --address {address} is no port: type HOST:6379, for one")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ConfigError(
            f"nothing answers at --address {address} ({error.strerror or error}): see `ray status` "
            "on the cluster's head, or leave --address and RAY_ADDRESS out to use this machine"
        ) from error


def require_token() -> None:
    """Have a Ray that is started here ask for this user's token, making one if there is
    none: whoever reaches Ray's ports runs code as this user. What the user has set stands.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    kept = Path.home() / ".ray" / "auth_token"
    if os.environ["RAY_AUTH_MODE"] == "token" and not given and not kept.is_file():
        command = [sys.executable, "-m", "ray.scripts.scripts", "get-auth-token", "--generate"]
        # Its output is the token: nobody is to see it.
        subprocess.run(command, check=True, capture_output=True)
        kept.chmod(0o600)  # Ray leaves it readable by all users


@contextlib.contextmanager
def room_made(workers: Mapping[Node, int], console: Console) -> Iterator[None]:
    """Have the autoscaler of the connected cluster make room for so many `workers` that need so
    much each, wait for it, and let the machines go at the end, once they are idle. Raises
    `ConfigError` if they do not come within `_MOST_SECONDS_TO_COME`."""
    from ray.autoscaler.sdk import request_resources

    def lacking() -> str:
        """What there is too little room for; those of another kind need it at another time."""
        nodes = cluster_nodes()
        for each, wanted in workers.items():
            room = sum(node.fits(each.cpus, each.gpus) for node in nodes)
            if room < wanted:
                return f"there is room for {room} of {wanted} workers"
        return ""

    request_resources(
        bundles=[
            {"CPU": each.cpus, **({"GPU": each.gpus} if each.gpus else {})}
            for each, wanted in workers.items()
            for _ in range(wanted)
        ]
    )
    try:
        until = time.monotonic() + _MOST_SECONDS_TO_COME
        if too_little := lacking():
            console.print(f"  Waiting for machines: {too_little}")
        while too_little := lacking():
            if time.monotonic() > until:
                raise ConfigError(
                    f"--autoscale: after {_MOST_SECONDS_TO_COME / 60:g} minutes {too_little}: "
                    "see `ray status`, or use fewer --workers"
                )
            time.sleep(2)
        yield
    finally:
        request_resources(bundles=[])


def cluster_nodes() -> list[Node]:
    """What the machines of the connected cluster have, idle or busy."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(has.get("CPU", 0), has.get("GPU", 0)) for has in alive]
