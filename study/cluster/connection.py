"""The connection to Ray: a local Ray or a cluster, its nodes, its token, its autoscaler."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenet.config import ConfigError
from study.cluster.resources import Node, this_machine
from study.interruption import treat_signals_as_ctrl_c

if TYPE_CHECKING:
    from rich.console import Console

_CONNECT_TIMEOUT = 10.0  # seconds
_AUTOSCALE_TIMEOUT = 1_200.0  # seconds; a cloud takes minutes to start a machine

_ENVIRONMENT = {
    # The project's own progress and tables replace Tune's console output and loggers.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Paths on the command line are relative to the user's working directory.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # `uv run` would otherwise build a new environment for every worker: ray-project/ray#50961
    # and #59639, seen with Ray 2.60.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def prepare_environment() -> None:
    """Set Ray's environment variables, unless the user set them. Call before importing `ray`."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(address: str | None) -> str | None:
    """Connect to the cluster at `address`, or start a local Ray if `address` is None.

    SIGTERM keeps its meaning (see `treat_signals_as_ctrl_c`).

    Returns the URL of the dashboard, or None if there is no dashboard.

    Raises: ConfigError if the cluster cannot be reached or Ray does not start.
    """
    prepare_environment()
    if address is None:
        require_token()
    else:
        _check_port(address)
    import ray  # reads its environment and the token on import

    options: dict[str, Any] = {"address": address}
    if address is None:
        machine = this_machine()
        options = {"address": "local", "num_cpus": machine.cpus, "num_gpus": int(machine.gpus)}
    try:
        # Ray would print the log of a lost node; the progress lines say what it means for a trial.
        context = ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # Ray raises a bare Exception if one of its processes is late
        raise _connection_error(address, error) from error
    treat_signals_as_ctrl_c()  # Ray's own handler would print a stack trace and skip the report
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    url: str | None = context.dashboard_url
    return f"http://{url}" if url else None


def _connection_error(address: str | None, error: Exception) -> ConfigError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if address is None:
        return ConfigError(
            f"Ray did not start on this machine ({reason}): retry when it is less busy, or read "
            "/tmp/ray/session_latest/logs"
        )
    remedy = "start one with `ray start --head`"
    if ":" in address:  # a server answered, but Ray does not say why it refused
        remedy = (
            "a server answers there. If it is a Ray head, run `ray get-auth-token` on it, put the "
            "token into ~/.ray/auth_token here and set RAY_AUTH_MODE=token"
        )
    return ConfigError(
        f"cannot join a Ray cluster at {address} ({reason}): {remedy}; or omit --address and "
        "RAY_ADDRESS to use this machine"
    )


def disconnect() -> None:
    """Disconnect from Ray and stop a local Ray. Does nothing without a connection."""
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def _check_port(address: str) -> None:
    """Raise `ConfigError` if nothing listens at `HOST:PORT`: Ray would retry for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host:  # for example "auto"
        return
    if not (port.isdecimal() and 0 < int(port) < 65_536):
        raise ConfigError(f"{port!r} in --address {address} is not a port: type HOST:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT).close()
    except OSError as error:
        raise ConfigError(
            f"nothing answers at --address {address} ({error.strerror or error}): run `ray "
            "status` on the cluster's head, or omit --address and RAY_ADDRESS to use this machine"
        ) from error


def require_token() -> None:
    """Make a local Ray ask for this user's token, and create the token if there is none.

    Whoever reaches Ray's ports runs code as this user. The user's own settings take precedence.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    custom_token = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    token_file = Path.home() / ".ray" / "auth_token"
    if os.environ["RAY_AUTH_MODE"] != "token" or custom_token or token_file.is_file():
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "get-auth-token", "--generate"]
    subprocess.run(command, check=True, capture_output=True)  # its output is the token: hide it
    token_file.chmod(0o600)  # Ray 2.60 leaves it readable by all users


@contextlib.contextmanager
def reserved_room(workers: Mapping[Node, int], console: Console) -> Iterator[None]:
    """Make the autoscaler provide room for `workers` (count by size), wait for it, release it.

    Raises: ConfigError if the room is not there within `_AUTOSCALE_TIMEOUT`.
    """
    from ray.autoscaler.sdk import request_resources

    def shortage() -> str:
        """Describe the first size without enough room. Sizes run at different times."""
        nodes = cluster_nodes()
        for size, count in workers.items():
            capacity = sum(node.capacity(size.cpus, size.gpus) for node in nodes)
            if capacity < count:
                return f"there is room for {capacity} of {count} workers"
        return ""

    request_resources(
        bundles=[
            {"CPU": size.cpus, **({"GPU": size.gpus} if size.gpus else {})}
            for size, count in workers.items()
            for _ in range(count)
        ]
    )
    try:
        deadline = time.monotonic() + _AUTOSCALE_TIMEOUT
        if missing := shortage():
            console.print(f"  Waiting for machines: {missing}")
        while missing := shortage():
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"--autoscale: after {_AUTOSCALE_TIMEOUT / 60:g} minutes {missing}: check "
                    "`ray status`, or use fewer --workers"
                )
            time.sleep(2)
        yield
    finally:
        request_resources(bundles=[])


def cluster_nodes() -> list[Node]:
    """Return the nodes of the connected cluster, idle or busy."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(resources.get("CPU", 0), resources.get("GPU", 0)) for resources in alive]
