"""Faults that a run may meet while it trains, each injected for real."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from study.runs.bucket import BucketPath
from study.runs.run_folder import RunFolder
from tests.buckets import Storage

_DISK = 16 << 20  # bytes


class Target:
    """A running driver, its folder and its command."""

    def __init__(
        self, driver: subprocess.Popen[str], folder: RunFolder, tool: str, draws: random.Random
    ) -> None:
        self.driver, self.folder, self.tool, self.draws = driver, folder, tool, draws


class Faults:
    """The faults by name.

    Each is a function that injects the fault and describes it, or returns None if it cannot
    happen now.
    """

    def __init__(self, cluster: Any, storage: Storage, disk: Path | None) -> None:
        self._cluster, self._storage, self._disk = cluster, storage, disk

    def on(self, target: Target) -> dict[str, Callable[[Target], str | None]]:
        """Return the faults that this run can meet."""
        faults = {
            "worker killed": self.kill_worker,
            "node killed": self.kill_node,
            "node added": self.add_node,
            "driver killed": self.kill_driver,
            "driver interrupted": self.interrupt_driver,
            "second driver": self.start_second_driver,
        }
        if isinstance(target.folder.home, BucketPath):
            faults["storage down"] = self.take_storage_down
        elif self._disk is not None:
            faults["disk full"] = self.fill_disk
        return faults

    def kill_worker(self, target: Target) -> str | None:
        workers = running_workers(target.folder)
        if not workers:
            return None
        victim = target.draws.choice(workers)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:  # another fault had ended it
            return None
        return f"process {victim}"

    def kill_node(self, target: Target) -> str | None:
        nodes = sorted(self._cluster.worker_nodes, key=lambda node: node.node_id)
        if len(nodes) < 2:
            return None
        victim = target.draws.choice(nodes)
        self._cluster.remove_node(victim, allow_graceful=False)
        return f"{len(nodes) - 1} left"

    def add_node(self, target: Target) -> str | None:
        if len(self._cluster.worker_nodes) > 2:
            return None
        self._cluster.add_node(num_cpus=1)
        return f"{len(self._cluster.worker_nodes)} now"

    def kill_driver(self, target: Target) -> str:
        os.killpg(target.driver.pid, signal.SIGKILL)
        return "SIGKILL"

    def interrupt_driver(self, target: Target) -> str:
        chosen = target.draws.choice([signal.SIGINT, signal.SIGTERM])
        target.driver.send_signal(chosen)
        return chosen.name

    def start_second_driver(self, target: Target) -> str | None:
        """Raises `AssertionError` if the second driver is not refused."""
        if not _is_held(target.folder.path / ".lock"):
            return None  # the first driver has hardly started: the new one would not be second
        command = [sys.executable, "-m", target.tool, "--resume", str(target.folder.home)]
        command += ["--address", self._cluster.address]
        second = subprocess.run(
            command, cwd=target.folder.path.parents[1], capture_output=True, text=True, check=False
        )
        if target.driver.poll() is not None:
            return None  # too late to be refused
        assert second.returncode == 2, second.stdout + second.stderr
        # On a cluster that has lost nodes, the workers may not fit, which is reported first.
        assert "another run is writing" in second.stderr or "do not fit" in second.stderr
        return "refused"

    def take_storage_down(self, target: Target) -> str:
        seconds = target.draws.uniform(2, 8)
        with self._storage.away():
            time.sleep(seconds)
        return f"for {seconds:.1f} s"

    def fill_disk(self, target: Target) -> str:
        assert self._disk is not None
        seconds = target.draws.uniform(2, 8)
        with fill(self._disk):
            time.sleep(seconds)
        return f"for {seconds:.1f} s"


def running_workers(folder: RunFolder) -> list[int]:
    """Return the processes that train trials of a run."""
    states = folder.map_trials(lambda _, trial: trial.state())
    return [state["pid"] for state in states if state.get("status") == "running"]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def fill(disk: Path) -> Iterator[None]:
    """Fill the disk to the last byte meanwhile."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * 4_096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a disk of a few MiB at `folder`; yield None if this user may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "none", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
