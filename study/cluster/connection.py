"""The connection to Ray: a local Ray or a cluster, its nodes, its token, its autoscaler."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenet.config import ConfigError
from lenet.loading import folders
from study.cluster.resources import Node, this_machine
from study.interruption import treat_signals_as_ctrl_c

if TYPE_CHECKING:
    from rich.console import Console

_CONNECT_TIMEOUT = 10.0  # seconds
_SECONDS_BETWEEN_LOOKS = 1.0
_AUTOSCALE_TIMEOUT = 1_200.0  # seconds; a cloud takes minutes to start a machine

_LONGEST_SOCKET = 107
"""bytes in the path of a Unix socket on Linux, `man 7 unix`"""
_SOCKET_PATH = len("/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store")
"""bytes of the longest path of Ray 2.60 in its temporary folder"""

_LEAST_FREE_MEGABYTES = 100
"""with less free space, Ray 2.60 was seen to stop during its start, or to lose its logs"""

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

_LOOPBACK_ONLY = {
    # Ray 2.60 replaces `_node_ip_address="127.0.0.1"` by an address that other machines reach, and
    # then listens on all interfaces (ray-project/ray#26293). This variable turns clusters off on
    # every system, and a node's address is then the loopback address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


def prepare_environment() -> None:
    """Set Ray's environment variables, unless the user set them. Call before importing `ray`."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(address: str | None) -> str | None:
    """Connect to the cluster at `address`, or start a local Ray if `address` is None.

    SIGTERM keeps its meaning (see `treat_signals_as_ctrl_c`).

    Returns the URL of the dashboard, or None if there is no dashboard.

    Raises: ConfigError if the cluster cannot be reached or Ray does not start, KeyboardInterrupt
    for SIGTERM while Ray starts.
    """
    prepare_environment()
    if address is None:
        _check_temporary_folder()
        require_token()
        for name, value in _LOOPBACK_ONLY.items():
            os.environ.setdefault(name, value)
    else:
        _check_port(address)
    import ray  # reads its environment and the token on import
    from ray.job_config import JobConfig

    options: dict[str, Any] = {"address": address}
    if address is None:
        machine = this_machine()
        options = {"address": "local", "num_cpus": machine.cpus, "num_gpus": int(machine.gpus)}
    try:
        with _daemons_in_own_sessions():
            # Ray would print the log of a lost node; the progress lines say what that means.
            options |= {"log_to_driver": False, "logging_level": logging.CRITICAL}
            # Workers must import the user's own code from the same folders. Ray 2.60 has no public
            # option for that, although it does the same for the working directory.
            options["job_config"] = JobConfig(_py_driver_sys_path=folders())
            try:
                context = ray.init(**options)
            except Exception as error:
                # Ray 2.60 gives its first process 30 s, which a busy machine may exceed.
                if address is not None or "timed out during startup" not in str(error):
                    raise
                ray.shutdown()
                context = ray.init(**options)
    except SystemExit:  # the handler of SIGTERM that `ray.init` sets raises it
        raise KeyboardInterrupt from None
    except Exception as error:  # Ray raises a bare Exception if one of its processes is late
        raise _connection_error(address, error) from error
    treat_signals_as_ctrl_c()  # Ray's own handler would print a stack trace and skip the report
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    url: str | None = context.dashboard_url
    return f"http://{url}" if url else None


@contextlib.contextmanager
def _daemons_in_own_sessions() -> Iterator[None]:
    """Start Ray's processes outside the driver's process group, on Linux.

    `timeout` and batch systems send SIGTERM to the whole group. Ray's processes would die before
    the driver could stop its trials. Ray 2.60 has no option to prevent that. Linux still kills
    Ray's processes with the driver, however the driver dies (PR_SET_PDEATHSIG). On other systems,
    Ray kills its processes by their group, so they stay in the driver's group.
    """
    from ray._private import services

    popen = services.ConsolePopen
    if sys.platform == "linux":
        services.ConsolePopen = functools.partial(  # type: ignore[misc, assignment]
            popen, start_new_session=True
        )
    try:
        yield
    finally:
        services.ConsolePopen = popen  # type: ignore[misc]


def _connection_error(address: str | None, error: Exception) -> ConfigError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if address is None:
        _, folder = _temporary_folder()
        return ConfigError(
            f"Ray did not start on this machine ({reason}): retry when it is less busy, or read "
            f"{folder}/ray/session_latest/logs"
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


@contextlib.contextmanager
def exit_if_ray_dies(explain: Callable[[str], object], code: int) -> Iterator[None]:
    """End this process with `code` if the processes of a local Ray end within the block.

    `explain` is called first, with the problem. systemd and batch systems send SIGTERM to every
    process of a job, and the kernel kills processes when memory runs out. Left alone, Ray 2.60
    would look for its server for 60 s, and then end this process, whatever it is doing.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SECONDS_BETWEEN_LOOKS):
            if _ray_is_dead() and not over.is_set():
                explain("Ray has ended")
                sys.stdout.flush()
                os._exit(code)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _ray_is_dead() -> bool:
    """Return True if an essential process of a local Ray has ended."""
    # Not `import ray`: another thread may still be importing it.
    node = getattr(sys.modules.get("ray._private.worker"), "_global_node", None)
    return node is not None and any(
        kind in {"gcs_server", "raylet"} for kind, _ in node.dead_processes()
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

    Anyone who reaches Ray's ports can run code as this user. The user's settings take precedence.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    custom_token = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if os.environ["RAY_AUTH_MODE"] != "token" or custom_token:
        return
    token = secrets.token_hex(32)  # like `ray get-auth-token --generate` of Ray 2.60
    try:
        token_file = Path("~/.ray/auth_token").expanduser()
        if token_file.is_file() and token_file.read_text().strip():
            return
        token_file.parent.mkdir(parents=True, exist_ok=True)
        # Ray 2.60 would leave the file readable by all users.
        handle = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            os.fchmod(handle, 0o600)
            file.write(token)
    except (OSError, RuntimeError, UnicodeError):
        # There is no home folder, or it is read-only. Ray's processes inherit the variable.
        os.environ["RAY_AUTH_TOKEN"] = token


def _temporary_folder() -> tuple[str, str]:
    """Return the environment variable that sets Ray's temporary folder, and that folder."""
    variable = next((v for v in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(v)), "TMPDIR")
    return variable, os.environ.get(variable) or "/tmp"


def _check_temporary_folder() -> None:
    """Raise `ConfigError` if Ray cannot put its sockets and logs into the temporary folder."""
    variable, text = _temporary_folder()
    advice = f"set {variable}=/tmp, or another short path that you may write to"
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        shown = text.encode(errors="surrogateescape")
        raise ConfigError(f"{variable}={shown!r} is not UTF-8, as Ray needs it: {advice}") from None
    if length + _SOCKET_PATH > _LONGEST_SOCKET:
        raise ConfigError(
            f"{variable} is {length} characters long, and Ray's sockets in it take "
            f"{_LONGEST_SOCKET - _SOCKET_PATH} at the most: {advice}"
        )
    if not os.path.isdir(text) or not os.access(text, os.W_OK | os.X_OK):
        raise ConfigError(f"{variable}={text} is not a folder that can be written to: {advice}")
    free = shutil.disk_usage(text).free // 10**6
    if free < _LEAST_FREE_MEGABYTES:
        raise ConfigError(
            f"{text} has {free} MB free, and a local Ray needs {_LEAST_FREE_MEGABYTES} MB there "
            f"for its logs: free some, or set {variable} to a short path with room"
        )


@contextlib.contextmanager
def full_store_explained() -> Iterator[None]:
    """Raise `ConfigError` if Ray has no room for the data sets that the trials share.

    Ray keeps the data sets in /dev/shm. When /dev/shm is full, Ray writes to the temporary folder,
    unless the disk there is 95% full.
    """
    try:
        yield
    except Exception as error:
        # Not imported earlier: `connect` prepares the environment that Ray reads on import.
        from ray.exceptions import ObjectStoreFullError, OutOfDiskError

        if not isinstance(error, ObjectStoreFullError | OutOfDiskError):
            raise
        sizes = [
            f"{folder} has {usage.free // 10**6} of {usage.total // 10**6} MB free"
            for folder in ("/dev/shm", _temporary_folder()[1])
            for usage in [shutil.disk_usage(folder)]
        ]
        raise ConfigError(
            f"Ray has no room to share the data set ({', '.join(sizes)}): free some, enlarge "
            "/dev/shm (docker run --shm-size=1g), or set TMPDIR to a short path on a disk that is "
            "less than 95% full"
        ) from error


@contextlib.contextmanager
def reserved_room(workers: Mapping[Node, int], console: Console) -> Iterator[None]:
    """Ask the autoscaler for room for `workers` (count by size), wait, and release it at the end.

    Raises: ConfigError if the cluster lacks the room after `_AUTOSCALE_TIMEOUT`.
    """
    from ray.autoscaler.sdk import request_resources

    def shortage() -> str:
        """Describe the first size without enough room. Different sizes never run at once."""
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
