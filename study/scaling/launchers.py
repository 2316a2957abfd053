"""Launches one after another, through Ray Train, torchrun or a plain process."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lenet.config import ConfigError
from lenet.dataset_files import AnyDataset
from search_spaces.study import PlannedTrial
from study.analysis.wording import format_duration, pluralize
from study.cluster import connection
from study.cluster.resources import Node
from study.interruption import restored_ctrl_c
from study.runs import layout
from study.runs.run_folder import RunFolder
from study.runs.storage import OutOfReach
from study.scaling.job import Job, failure_file, log_file
from study.scaling.placement import shared_cpus
from study.scaling.plan import Launch, ScalingRequest
from study.scaling.watch import Watch
from study.waiting import waiting

_TERMINATION_TIMEOUT = 30  # seconds
_STALL_TIMEOUT = 300.0  # seconds; workers start within 15 to 65 s on two cores
_KILLED = re.compile(r"Signal \d+ \((?!SIGTERM)SIG\w+\) received by PID \d+")


class Launchers:
    """A runner of launches. It runs one at a time, because launches are timed.

    `longest_seconds` is the expected duration of the longest point on one worker.
    """

    def __init__(
        self,
        request: ScalingRequest,
        folder: RunFolder,
        *,
        data_dir: Path | None,
        address: str | None,
        nodes: Sequence[Node],
        oversubscribed: Mapping[str, Mapping[int, bool]],
        datasets: Mapping[str, AnyDataset],
        longest_seconds: float,
        console: Console,
    ) -> None:
        self._request = request
        self._folder = folder
        self._data_dir = data_dir
        self._address = address
        self._nodes = nodes
        self._oversubscribed = oversubscribed
        self._datasets = datasets
        self._longest_seconds = longest_seconds
        self._console = console
        self._ray_seconds = 0.0
        self._shared: dict[str, Any] = {}
        self._train_with_ray: Callable[..., None]

    def train(self, launches: Sequence[Launch], ray_seconds: float) -> bool:
        """Run every launch. Return True if any failed; the remaining launches still run.

        `ray_seconds` is the time spent so far on loading data and joining a cluster.
        """
        self._ray_seconds = ray_seconds
        # Ray starts before the first launch, so that its processes slow all launches alike.
        if any(launch.launcher == "ray" for launch in launches):
            self._connect()
        any_failed = False
        durations: list[float] = []
        for number, launch in enumerate(launches, 1):
            started = time.perf_counter()
            error = self._run_watched(launch, f"  {number}/{len(launches)} {launch.name}")
            durations.append(time.perf_counter() - started)
            failed = [p for p in launch.points if not is_complete(self._folder, p)]
            for planned in failed:
                message = error or "its workers ended before it did"
                self._folder.trial(planned.name).mark("failed", message)
            any_failed = any_failed or bool(failed)
            runs = pluralize(len(launch.points), "run")
            result = f"{runs} in {durations[-1]:.1f} s, including start-up"
            if failed:
                result = f"{len(failed)} of {result} failed: {error or 'no reason given'}"
            if remaining := len(launches) - number:
                average = sum(durations) / len(durations)
                result += f"; about {format_duration(remaining * average)} left"
            self._console.print(f"  {number}/{len(launches)} {launch.name}: {result}")
        return any_failed

    def _run_watched(self, launch: Launch, title: str) -> str | None:
        """Run a launch and show what it waits for. Return the reason if it failed or hung."""
        slowdown = launch.workers if self._oversubscribed[launch.processor][launch.workers] else 1
        limit = max(_STALL_TIMEOUT, 10 * slowdown * self._longest_seconds)
        watch = Watch(launch, self._folder, limit)
        try:
            with waiting(self._console, title, now=watch.look):
                return self._run(launch)
        except KeyboardInterrupt:
            if watch.verdict is None:
                raise
            return watch.verdict

    def _run(self, launch: Launch) -> str | None:
        """Train the points of a launch. Return the reason if it failed."""
        job = Job(
            launch=launch.name,
            launcher=launch.launcher,
            processor=launch.processor,
            workers=launch.workers,
            strategy=launch.strategy,
            oversubscribed=self._oversubscribed[launch.processor][launch.workers],
            threads=max(1, math.floor(self._request.cpus_of(launch.processor))),
            run_folder=str(self._folder.home),
            data_dir=str(self._data_dir) if self._data_dir else None,
            points=launch.points,
            requested_at=time.time(),
            driver_pid=os.getpid(),
        )
        return self._run_ray(job) if launch.launcher == "ray" else self._run_process(job)

    def _connect(self) -> None:
        """Start Ray if it is local, import Ray Train and put the data sets into the object store.

        These seconds count as Ray's and belong to no launch.
        """
        started = time.perf_counter()
        with waiting(self._console, "  Starting Ray, which takes 10 to 30 s"):
            if not self._address:
                connection.connect(None)
            import ray

            from study.cluster.datasets import share
            from study.scaling.ray_train import train_with_ray

        self._train_with_ray = train_with_ray
        self._shared = {
            name: ray.put(share(dataset.load())) for name, dataset in self._datasets.items()
        }
        self._ray_seconds += time.perf_counter() - started

    def _run_ray(self, job: Job) -> str | None:
        cpus = self._request.cpus_of(job.processor)
        if job.oversubscribed:
            cpus = shared_cpus(self._nodes, job.workers, cpus)
        elif job.processor == "cpu":
            cpus = max(1.0, cpus)  # with less, Ray would put two workers on one CPU
        try:
            with restored_ctrl_c():
                self._train_with_ray(
                    job,
                    self._shared,
                    cpus_per_worker=cpus,
                    placement=self._request.placement,
                    ray_seconds=self._ray_seconds,
                )
        except OutOfReach as error:  # no later launch could reach the folder either
            raise ConfigError(str(error)) from error
        except Exception as error:  # Ray passes on whatever a worker raised
            return (str(error).strip().splitlines() or [type(error).__name__])[-1]
        except SystemExit:  # raised by Ray Train's own Ctrl-C handler
            raise KeyboardInterrupt from None
        return None

    def _run_process(self, job: Job) -> str | None:
        """Run a launch without Ray. Return the reason if it failed."""
        folder = self._folder.path / layout.LAUNCHES
        folder.mkdir(exist_ok=True)
        path = folder / f"{job.launch}.json"
        job.write(path)
        failure_file(path).unlink(missing_ok=True)  # from an earlier attempt
        worker = ["-m", "study.scaling.worker", str(path)]
        command = [sys.executable, *worker]
        if job.launcher == "torchrun":
            # By default, torchrun 2.14 advertises the host's name. If it does not resolve, the
            # workers hang: pytorch/pytorch#150532.
            torchrun = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
            command = [sys.executable, *torchrun, "--nproc-per-node", str(job.workers), *worker]
        log = log_file(path)
        # Ray sets this for its workers. torchrun would set it with a warning.
        environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads)}
        with log.open("w", encoding="utf-8") as output:
            code = _wait(
                subprocess.Popen(
                    command,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C goes to the driver, which ends them in `_wait`
                )
            )
        if not code:
            return None
        return f"exit code {code}: {_failure_reason(path)} (see {log})"


def _failure_reason(job: Path) -> str:
    """Return which signal killed a worker, or the error of the first failure, or the last line."""
    lines = log_file(job).read_text(encoding="utf-8", errors="replace").splitlines()
    # The surviving workers report lost connections, and torchrun sends them SIGTERM.
    kills = [match[0] for line in lines if (match := _KILLED.search(line))]
    if kills:
        return kills[0]
    if failure_file(job).is_file():
        return failure_file(job).read_text(encoding="utf-8")
    text = [line.strip() for line in lines if any(map(str.isalnum, line))]  # skips borders
    return text[-1] if text else "no output"


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process and return its exit code; on Ctrl-C, end the process first.

    torchrun starts workers, which must not keep writing to a run that is resumed.
    """
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(_TERMINATION_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def is_complete(folder: RunFolder, planned: PlannedTrial) -> bool:
    """Return True if a point need not be trained again."""
    return folder.trial(planned.name).complete
