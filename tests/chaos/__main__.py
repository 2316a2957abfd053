"""Run studies on a cluster where something fails every few seconds, and check their records.

    python -m tests.chaos --minutes 10

Grids, searches and scaling runs, in a folder or in a bucket, are disturbed, and resumed until they
are complete. Then every trial must exist once, with the records of undisturbed training. The
cluster is several Ray nodes on this machine, the bucket is on an S3 server on loopback, the full
disk is a tmpfs. Without root no tmpfs can be mounted, and no disk is filled. Prints the injected
faults, and exits 1 if anything was lost or differs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from lenet import datasets, training
from lenet.config import TrainConfig
from lenet.records import Record
from study.cluster import connection
from study.runs.bucket import BucketPath
from study.runs.run_folder import RunFolder
from study.runs.storage import Location
from study.runs.trial_folder import COMPLETE
from tests.buckets import Storage
from tests.chaos.faults import Faults, Target, is_alive, running_workers, small_disk
from tests.comparison import same
from tests.drivers import wait_for
from tests.unit.worker_threads import run_together, team

PROJECT = Path(__file__).parents[2]
_SECONDS_BETWEEN = (3.0, 9.0)
_MAX_DRIVER_SECONDS = 400.0
_MAX_TRIES = 5  # of a run that nothing disturbs any more
_DIGITS = ("--budget", "smoke", "--set", "dataset=digits", "--set", "train_samples=none")
_ADAM = ("--set", "optimizer=adam", "--set", "dropout=0.4", "--set", "epochs=15")
_TYPED = {
    "study.grid": (*_DIGITS, *_ADAM, "--set", "lr=0.001,0.003"),
    "study.search": (
        *(*_DIGITS, *_ADAM, "--set", "lr=0.001,0.003", "--set", "batch_size=32,64"),
        *("--set", "weight_decay=0", "--set", "schedule=constant"),
        *("--trials", "6", "--confirm", "1x2"),
    ),
    "study.scaling": (
        *(*_DIGITS, "--set", "batch_size=32", "--set", "epochs=30"),
        *("--workers", "1,2", "--repeats", "2", "--oversubscribe"),
    ),
}
_TRIALS = {"study.grid": 8, "study.search": 6 + 2, "study.scaling": 4}


class Undisturbed:
    """Trains configs in this process, where nothing fails.

    With as many workers as the run had: they sum gradients in another order than one worker.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)  # like a trial on one CPU: more threads change the last digits
        self._digits = datasets.load("digits")
        self._known: dict[tuple[str, int], list[Record]] = {}

    def __call__(self, config: TrainConfig, workers: int) -> list[Record]:
        if (config.id, workers) not in self._known:
            # One after another: threads share the global random state, which initializes weights.
            runs = [
                training.Run(config, self._digits, replica=replica) for replica in team(workers)
            ]
            each = run_together([lambda run=run: self._train(run) for run in runs])
            self._known[config.id, workers] = each[0]
        return self._known[config.id, workers]

    def _train(self, run: training.Run) -> list[Record]:
        torch.set_num_threads(1)
        return list(training.train(run))


class Chaos:
    """Trains one run after another and counts what was lost."""

    def __init__(self, nodes: Any, faults: Faults, seconds: float, draws: random.Random) -> None:
        self._nodes, self._faults, self._draws = nodes, faults, draws
        self._began, self._seconds = time.monotonic(), seconds
        self._undisturbed = Undisturbed()
        self.injected: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.resumes = self.trials = 0
        self.lost: list[str] = []
        self.differing: list[str] = []

    @property
    def over(self) -> bool:
        return time.monotonic() - self._began > self._seconds

    def log(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:5.0f} s  {what}", flush=True)

    def run(self, tool: str, home: Location) -> None:
        """Train a run of `tool` in `home`, disturbed until it is complete, and check all of it."""
        self.runs[f"{tool} in a {'bucket' if isinstance(home, BucketPath) else 'folder'}"] += 1
        self.log(f"{tool} --results {home}")
        while len(self._nodes.worker_nodes) < 3:
            self._nodes.add_node(num_cpus=1)
        typed = [*_TYPED[tool], "--results", str(home)]
        tries = 0
        while (code := self._drive(tool, home, typed)) != 0:
            tries += self.over
            if tries > _MAX_TRIES:
                raise AssertionError(f"{tool} in {home} does not end, though nothing disturbs it")
            exists = (RunFolder(home).path / "plan.json").is_file()
            self.log(f"  exit code {code}" + (", resumed" if exists else ", started again"))
            if exists:
                typed = ["--resume", str(home)]
                typed += ["--oversubscribe"] if tool == "study.scaling" else []
                self.resumes += 1
                # Ray ends the workers of a driver that was killed.
                workers = running_workers(RunFolder(home))
                wait_for(lambda pids=workers: not any(map(is_alive, pids)), "the end of workers")
            if isinstance(home, BucketPath):
                (home / ".lock").delete()  # as if it had expired
        self._check(tool, RunFolder(home))

    def _drive(self, tool: str, home: Location, typed: list[str]) -> int:
        """Run a driver, disturb it, and return its exit code."""
        folder = RunFolder(home)
        command = [sys.executable, "-m", tool, "--address", self._nodes.address, *typed]
        log = Path(f"{tool}.log")
        with (
            log.open("w", encoding="utf-8") as output,
            subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, text=True
            ) as driver,
        ):
            deadline = time.monotonic() + _MAX_DRIVER_SECONDS
            while not _ended(driver, self._draws.uniform(*_SECONDS_BETWEEN)):
                if time.monotonic() > deadline:
                    driver.kill()
                    raise TimeoutError(f"{tool} hangs: {log.read_text(encoding='utf-8')[-3000:]}")
                if not self.over and (folder.path / "plan.json").is_file():
                    self._disturb(Target(driver, folder, tool, self._draws))
        printed = log.read_text(encoding="utf-8")
        errors = [line for line in printed.splitlines() if line.startswith("error:")]
        for line in errors:
            self.log(f"  {line}")
        if "Traceback" in printed:
            raise AssertionError(f"{tool} ended in a traceback: {printed[-3000:]}")
        return driver.returncode

    def _disturb(self, target: Target) -> None:
        possible = self._faults.on(target)
        name = self._draws.choice(sorted(possible))
        effect = possible[name](target)
        if effect is not None:
            self.injected[name] += 1
            self.log(f"  {name}: {effect}")

    def _check(self, tool: str, folder: RunFolder) -> None:
        trials = pd.read_parquet(folder.path / "trials.parquet")
        records = pd.read_parquet(folder.path / "records.parquet")
        planned = {one.name: one.config for one in folder.plan}
        self.trials += len(planned)
        if len(planned) != _TRIALS[tool]:
            self.lost.append(f"{folder.home}: planned {len(planned)} trials of {_TRIALS[tool]}")
        complete = trials[trials["status"].isin(COMPLETE)]["trial"]
        self.lost += [f"{folder.home}: {name}" for name in set(planned) - set(complete)]
        twice = [*trials["trial"][trials["trial"].duplicated()]]
        twice += records["trial"][records.duplicated(["trial", "step"])].unique().tolist()
        self.differing += [f"{folder.home}: {name} exists twice" for name in twice]
        for name in complete:
            workers = folder.trial(name).state().get("data_parallel", {}).get("workers", 1)
            rows = records[records["trial"] == name].drop(columns="trial").to_dict("records")
            found = [Record(**{str(field): value for field, value in row.items()}) for row in rows]
            if not same(found, self._undisturbed(planned[name], workers)):
                self.differing.append(f"{folder.home}: {name}")
        self.log(f"  complete: {len(complete)} of {len(planned)} trials")


def _ended(driver: subprocess.Popen[str], seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.wait(seconds)
    return driver.poll() is not None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="stop injecting after N (10)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults (0)")
    options = parser.parse_args()
    connection.prepare_environment()
    connection.require_token()
    from ray.cluster_utils import Cluster

    paths = [str(PROJECT), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    # Some outages of the storage are longer, some shorter.
    os.environ.setdefault("STUDY_STORAGE_PATIENCE", "5")
    storage, draws = Storage(), random.Random(options.seed)
    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
    with tempfile.TemporaryDirectory(prefix="study-chaos-") as place:
        os.chdir(place)
        nodes = Cluster(initialize_head=True, head_node_args=head)
        with small_disk(Path(place) / "disk") as disk:
            faults = Faults(nodes, storage, disk)
            chaos = Chaos(nodes, faults, 60 * options.minutes, draws)
            print(f"no fault is injected after {options.minutes:g} minutes; seed {options.seed}")
            if disk is None:
                print("no disk is filled: a tmpfs cannot be mounted here")
            number = 0
            while not chaos.over:
                for tool in draws.sample(list(_TYPED), len(_TYPED)):
                    number += 1
                    folder = (disk or Path(place)) / f"run{number}"
                    bucket = BucketPath(f"s3://bucket/run{number}")
                    if not chaos.over:
                        chaos.run(tool, draws.choice([folder, bucket]))
                        if folder.is_dir():
                            subprocess.run(["rm", "-rf", str(folder)], check=True)
        nodes.shutdown()
        os.chdir("/")
    storage.close()
    print(f"\nruns: {', '.join(f'{n} {what}' for what, n in sorted(chaos.runs.items()))}")
    print(f"faults injected: {chaos.injected.total()}")
    for name, count in sorted(chaos.injected.items()):
        print(f"  {count:3} {name}")
    print(f"resumed: {chaos.resumes} times")
    print(f"trials: {chaos.trials}, lost: {len(chaos.lost)}, differing: {len(chaos.differing)}")
    for what in (*chaos.lost, *chaos.differing):
        print(f"  {what}")
    return 1 if chaos.lost or chaos.differing else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # Ray's native threads may crash Python while it shuts down
