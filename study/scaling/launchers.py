"""One launch of workers after the other, by Ray Train, by torchrun and in a plain process."""

from __future__ import annotations

import json
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
from lenet.datasets import Dataset
from search_spaces.study import Planned
from study.analysis.wording import counted
from study.cluster import connection as cluster
from study.cluster.estimate import clock
from study.interruption import heeding_ctrl_c_again
from study.runs.run_folder import RunFolder
from study.runs.storage import OutOfReach
from study.scaling.plan import Launch, Session, cpus_each
from study.scaling.worker import failure_of

_SECONDS_TO_END = 30
_KILLED = re.compile(r"Signal \d+ \((?!SIGTERM)SIG\w+\) received by PID \d+")


class Launcher:
    """Starts one launch after the other; no two run at once, since they are timed."""

    def __init__(
        self,
        session: Session,
        *,
        nodes: Sequence[cluster.Node],
        crowded: Mapping[str, Mapping[int, bool]],
        datasets: Mapping[str, Dataset],
        console: Console,
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._crowded = crowded
        self._datasets = datasets
        self._ray_seconds = 0.0
        self._console = console
        self._shared: dict[str, Any] = {}
        self._train_with_ray: Callable[..., None]

    def all(self, launches: Sequence[Launch], ray_seconds: float) -> bool:
        """Whether any failed; the others are done in spite of it. `ray_seconds` is what it took
        to read the data, and to join the cluster if there is one."""
        self._ray_seconds = ray_seconds
        folder, failed = self._session.folder, False
        took: list[float] = []
        to_train = [[p for p in launch.points if not complete(folder, p)] for launch in launches]
        # Before all launches: what Ray costs the others by being there, it costs all of them.
        if any(to_train) and any(launch.launcher == "ray" for launch in launches):
            self._connect()
        for number, (launch, left) in enumerate(zip(launches, to_train, strict=True), 1):
            place = f"  {number}/{len(launches)} {launch.name}"
            if not left:
                self._console.print(f"{place}: complete from before")
                continue
            started = time.perf_counter()
            error = self._start(launch, left)
            seconds = time.perf_counter() - started
            took.append(seconds)
            undone = [p for p in left if not complete(folder, p)]
            for planned in undone:
                folder.trial(planned.name).mark("failed", error or "its workers ended before it")
            failed = failed or bool(undone)
            said = f"{counted(len(left), 'run')} in {seconds:.1f} s, start-up counted in"
            if undone:
                said = f"{len(undone)} of {said} failed: {error or 'no reason was given'}"
            to_come = sum(map(bool, to_train[number:]))
            if to_come:
                said += f"; about {clock(to_come * sum(took) / len(took))} left"
            self._console.print(f"{place}: {said}")
        return failed

    def _start(self, launch: Launch, left: Sequence[Planned]) -> str | None:
        """Train what is left of a launch; the reason if it failed."""
        asked = self._session.asked
        oversubscribed = self._crowded[launch.processor][launch.workers]
        job = {
            "launch": launch.name,
            "launcher": launch.launcher,
            "processor": launch.processor,
            "workers": launch.workers,
            "oversubscribed": oversubscribed,
            "threads": max(1, math.floor(asked.cpus_of(launch.processor))),
            "run_folder": str(self._session.folder.home),
            "data_dir": str(self._session.data_dir) if self._session.data_dir else None,
            "points": [{"name": p.name, "settings": p.config.to_dict()} for p in left],
            "requested_at": time.time(),
            "driver": os.getpid(),
        }
        if launch.launcher != "ray":
            return self._start_process(launch, job)
        cpus = asked.cpus_of(launch.processor)
        if oversubscribed:
            cpus = cpus_each(self._nodes, launch.workers, cpus)
        elif launch.processor == "cpu":
            cpus = max(1.0, cpus)  # with less, Ray would have two share one
        try:
            with heeding_ctrl_c_again():
                self._train_with_ray(
                    job,
                    self._shared,
                    cpus_per_worker=cpus,
                    placement=asked.placement,
                    ray_seconds=self._ray_seconds,
                )
        except OutOfReach as error:  # none of the others would find it
            raise ConfigError(str(error)) from error
        except Exception as error:  # whatever a worker raises comes back through Ray
            return (str(error).strip().splitlines() or [type(error).__name__])[-1]
        except SystemExit:  # as Ray Train's own handler of Ctrl-C ends
            raise KeyboardInterrupt from None
        return None

    def _connect(self) -> None:
        if not self._session.address:
            self._console.print("  Starting Ray ...")
        started = time.perf_counter()
        if not self._session.address:
            cluster.connect(None)
        import ray

        # Seconds of imports, which are Ray's and of no launch.
        from study.scaling.ray_train import train_with_ray
        from study.tuning.trial import share

        self._train_with_ray = train_with_ray
        self._shared = {name: ray.put(share(dataset)) for name, dataset in self._datasets.items()}
        self._ray_seconds += time.perf_counter() - started

    def _start_process(self, launch: Launch, job: Mapping[str, Any]) -> str | None:
        """A launch without Ray; why it failed, if it did."""
        folder = self._session.folder.path / "launches"
        folder.mkdir(exist_ok=True)
        path = folder / f"{launch.name}.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        failure_of(path).unlink(missing_ok=True)  # of an earlier attempt
        worker = ["-m", "study.scaling.worker", str(path)]
        started = [sys.executable, *worker]
        if launch.launcher == "torchrun":
            torchrun = ["-m", "torch.distributed.run", "--standalone"]
            started = [sys.executable, *torchrun, "--nproc-per-node", str(launch.workers), *worker]
        log = path.with_suffix(".log")
        # As Ray sets it for its workers; torchrun would, with a warning.
        environment = {**os.environ, "OMP_NUM_THREADS": str(job["threads"])}
        with log.open("w", encoding="utf-8") as output:
            code = _ended(
                subprocess.Popen(
                    started,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for us, who see to it that they end
                )
            )
        if not code:
            return None
        return f"exit code {code}: {_why(path, log)} (see {log})"


def _why(job: Path, log: Path) -> str:
    """What killed a worker, as torchrun says it; else the reason that a worker gave, or the last
    that was said."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # The others say that they lost it, and are sent SIGTERM.
    killed = [match[0] for line in lines if (match := _KILLED.search(line))]
    if killed:
        return killed[0]
    if failure_of(job).is_file():
        return failure_of(job).read_text(encoding="utf-8")
    said = [line.strip() for line in lines if any(map(str.isalnum, line))]  # no border
    return said[-1] if said else "no output"


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. Ctrl-C ends it first: torchrun has workers of its own, which must not be left
    writing to a run that another may go on with."""
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def complete(folder: RunFolder, planned: Planned) -> bool:
    """Whether it need not be trained again."""
    return folder.trial(planned.name).complete
