"""The engine behind `study.scaling`: trains the launches of a request, timed one by one."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import math
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console

import search_spaces
from lenet.config import ConfigError, TrainConfig
from lenet.dataset_files import AnyDataset
from lenet.records import RECORDS_VERSION
from study.analysis.wording import format_duration, pluralize
from study.cluster import announce, connection
from study.cluster import datasets as run_datasets
from study.cluster.engine import Ending, Plan
from study.cluster.estimate import estimate, start_up_seconds
from study.cluster.resources import Node, this_machine
from study.cluster.versions import differences, versions
from study.runs.metadata import DatasetInfo, RunMetadata, definition_of, project_commit
from study.runs.run_folder import RunFolder
from study.scaling.launchers import Launchers, is_complete
from study.scaling.placement import check_capacity, check_threads, with_workers
from study.scaling.plan import TOOL, Launch, ScalingSession
from study.terminal import print_note


class ScalingEngine:
    """The engine that trains the launches of a session (see `Engine`)."""

    tool = TOOL
    unit = "launches"

    def __init__(self, session: ScalingSession, console: Console) -> None:
        self.folder = session.folder
        self._session = session
        self._console = console
        self._request = session.request
        self._launches = self._unfinished() if session.resumed else []
        self._stack = contextlib.ExitStack()
        self._stack.callback(connection.disconnect)
        self._nodes: Sequence[Node] = ()
        self._datasets: Mapping[str, AnyDataset] = {}
        self._oversubscribed: Mapping[str, Mapping[int, bool]] = {}
        self._ray_seconds = 0.0
        self._longest_seconds = 0.0
        self._expected_seconds = 0.0

    @property
    def resume_options(self) -> list[str]:
        session = self._session
        options = ["--oversubscribe"] if session.oversubscribe else []
        options += ["--address", session.address] if session.address else []
        options += ["--autoscale"] if session.autoscale else []
        options += ["--data-dir", str(session.data_dir)] if session.data_dir else []
        return options

    @property
    def preview(self) -> Plan:
        points = [point for launch in self._launches for point in launch.points]
        return Plan(planned=points, count=len(points), follow_up=0, seconds=self._expected_seconds)

    def prepare(self, *, dry_run: bool) -> bool:
        session, console = self._session, self._console
        if session.resumed and not self._launches:  # reporting needs no cluster
            launches = len(self._all_launches())
            console.print(f"All {launches} launches of {self.folder.home} are complete.")
            return not dry_run
        if not session.resumed:
            self.folder.check_free()
        if session.address:
            _check_only_ray(self._launches)
            started = time.perf_counter()
            connection.connect(session.address)
            self._ray_seconds = time.perf_counter() - started
        self._nodes = self._find_nodes(dry_run=dry_run)
        workers: Mapping[str, Sequence[int]] = _workers_of(self._launches)
        notes = []
        if session.resumed:
            notes = differences(self.folder.run.versions, versions())
            if not (dry_run and session.autoscale):  # the machines are not there yet
                notes += self._machine_notes()
        else:
            self._request, notes = with_workers(
                self._request,
                session.counts,
                session.devices,
                self._nodes,
                oversubscribe=session.oversubscribe,
            )
            workers = self._request.workers
        self._oversubscribed = check_capacity(
            self._request,
            workers,
            self._nodes,
            oversubscribe=session.oversubscribe,
            resumed=session.resumed,
        )
        for note in notes:
            print_note(console, note)
        started = time.perf_counter()
        self._load_datasets()
        self._ray_seconds += time.perf_counter() - started
        self._announce()
        if dry_run:
            for launch in self._launches:
                console.print(f"  {launch.name}: {', '.join(p.name for p in launch.points)}")
        return not dry_run

    def write_plan(self) -> None:
        if not self._session.resumed:
            plan = [point for launch in self._launches for point in launch.points]
            RunFolder.create(self.folder.home, self._metadata(), plan)

    def train(self) -> Ending:
        if not self._launches:
            return Ending.COMPLETE
        # Another process may have continued this run since it was prepared.
        launches = self._unfinished() if self._session.resumed else self._launches
        if not launches:
            return Ending.COMPLETE
        self._record_machine()
        launchers = Launchers(
            self._request,
            self.folder,
            data_dir=self._session.data_dir,
            address=self._session.address,
            nodes=self._nodes,
            oversubscribed=self._oversubscribed,
            datasets=self._datasets,
            longest_seconds=self._longest_seconds,
            console=self._console,
        )
        failed = launchers.train(launches, self._ray_seconds)
        return Ending.SOME_FAILED if failed else Ending.COMPLETE

    def close(self) -> None:
        self._stack.close()

    def _all_launches(self) -> list[Launch]:
        """Return the launches of a resumed run, on the data set that it began with."""
        datasets = {planned.config.dataset for planned in self.folder.plan}
        # A single data set may stand in for the study's own. Several were all requested.
        return self._request.launches(datasets.pop() if len(datasets) == 1 else None)

    def _unfinished(self) -> list[Launch]:
        """Return the launches of a resumed run with their unfinished points.

        Raises: ConfigError if the run began with other points.
        """
        launches = self._all_launches()
        points = {p.name: p.config for launch in launches for p in launch.points}
        if points != {p.name: p.config for p in self.folder.plan}:
            raise ConfigError(
                f"{self._request.study} has changed since {self.folder.home} began: resume the run "
                "with the version of the study that it began with, or start a new run"
            )
        unfinished = [
            replace(
                launch,
                points=tuple(p for p in launch.points if not is_complete(self.folder, p)),
            )
            for launch in launches
        ]
        return [launch for launch in unfinished if launch.points]

    def _find_nodes(self, *, dry_run: bool) -> list[Node]:
        """Return the machines to use. With `--autoscale`, wait until the cluster has added them.

        Raises: ConfigError if they do not come, or if their size is unknown.
        """
        if not self._session.autoscale:
            return connection.cluster_nodes() if self._session.address else [this_machine()]
        room = self._required_room()
        if dry_run:  # starting machines costs money
            return [*connection.cluster_nodes(), *(n for n, k in room.items() for _ in range(k))]
        self._stack.enter_context(connection.reserved_room(room, self._console))
        return connection.cluster_nodes()

    def _required_room(self) -> dict[Node, int]:
        """Return the number of workers of each size, for the autoscaler."""
        session, unfinished = self._session, _workers_of(self._launches)
        processors = list(session.devices or unfinished)
        processor = "gpu" if "gpu" in processors else "cpu"
        counts = session.counts or unfinished.get(processor)
        if session.oversubscribe:
            raise ConfigError(
                "--autoscale makes room for all workers and --oversubscribe lets them share: use "
                "one of them"
            )
        if not counts or not processors:
            raise ConfigError(
                "--autoscale: machines may not be there yet, so their size is unknown: add "
                "--device gpu --workers 1,2,4, for example"
            )
        room: dict[Node, int] = {}
        for name in processors:
            check_threads(self._request, name, resumed=session.resumed)
            size = Node(cpus=self._request.cpus_of(name), gpus=float(name == "gpu"))
            # The CPU beside GPUs is a single worker.
            room[size] = max(counts) if name == processor else 1
        return room

    def _load_datasets(self) -> None:
        """Load the data sets, and plan the launches of a new run on them."""
        session = self._session
        if session.resumed:
            self._datasets = run_datasets.load(_configs(self._launches), session.data_dir)
            return
        self._launches, self._datasets, notes = run_datasets.load_or_fall_back(
            self._request.launches, _configs, self._request.choices, session.data_dir
        )
        for note in notes:
            print_note(self._console, note)

    def _announce(self) -> None:
        request, console, launches = self._request, self._console, self._launches
        announce.datasets(self._datasets, console)
        announce.batch_sizes(_configs(launches), self._datasets, console)
        announce.epochs(request.study, request.choices, _configs(launches), self._datasets, console)
        for processor, counts in self._oversubscribed.items():
            listed = [f"{n} (oversubscribed)" if over else str(n) for n, over in counts.items()]
            console.print(f"  workers      {', '.join(listed)} on {processor}")
        complete = len(self._all_launches()) - len(launches) if self._session.resumed else 0
        runs = pluralize(sum(len(launch.points) for launch in launches), "run")
        repeats = pluralize(request.repeats, "repeat")
        done = f"; {complete} more are complete" if complete else ""
        console.print(
            f"  launches     {len(launches)} in random order by repeat, {runs} (budget "
            f"{request.budget}, {repeats}{done})"
        )
        console.print(f"  device       {self._device()}")
        if self._session.address:
            spread = {"pack": "few", "spread": "many"}[request.placement]
            console.print(f"  placement    {request.placement}: workers on {spread} machines")
        training = self._training_seconds()
        starting = sum(start_up_seconds(launch.launcher, launch.workers) for launch in launches)
        self._expected_seconds = training + starting
        console.print(
            f"  time         about {format_duration(self._expected_seconds)}: "
            f"{format_duration(starting)} to start workers, the rest to train at the speed of one "
            "worker, from steps timed on this machine"
        )
        if request.repeats == 1:
            console.print("  intervals    none (they need --repeats 2 or more)")
        announce.results(self.folder, console)

    def _training_seconds(self) -> float:
        """Return the seconds that one worker would train.

        Raises: ConfigError if a model cannot be trained at all, or not by that many workers.
        """
        total = 0.0
        for processor, counts in _workers_of(self._launches).items():
            configs = _configs([one for one in self._launches if one.processor == processor])
            expected = estimate(
                configs,
                self._datasets,
                side_by_side=1,
                threads=max(1, math.floor(self._request.cpus_of(processor))),
                use_gpu=processor == "gpu",
                data_parallel=max(counts) > 1,
                sync_batch_norm=processor == "gpu" and "dp" not in self._request.strategies,
            )
            seconds = [expected.trial_seconds[config.id] for config in configs]
            self._longest_seconds = max(self._longest_seconds, *seconds)
            total += sum(seconds)
        return total

    def _metadata(self) -> RunMetadata:
        request = self._request
        return RunMetadata(
            tool=TOOL,
            options=request.options_to_json(),
            study=request.study,
            definition=definition_of(request.study),
            budget=request.budget,
            seeds=request.repeats,
            objective=search_spaces.find(request.study).objective,
            choices={name: list(values) for name, values in request.choices.items()},
            dataset=DatasetInfo(
                name=", ".join(self._datasets),
                source=", ".join(dataset.source for dataset in self._datasets.values()),
            ),
            device=self._device(),
            machine=self._machine(),
            versions=versions(),
            records_version=RECORDS_VERSION,
            commit=project_commit(),
            command=shlex.join(self._session.command),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )

    def _device(self) -> str:
        return " and ".join(
            f"{announce.processor(on_gpu=name == 'gpu')}, {self._request.cpus_of(name):g} CPU a "
            "worker"
            for name in self._request.workers
        )

    def _machine(self) -> dict[str, float]:
        return {
            "nodes": len(self._nodes),
            "cpus": sum(node.cpus for node in self._nodes),
            "gpus": sum(node.gpus for node in self._nodes),
        }

    def _machine_notes(self) -> list[str]:
        """Return a note if a resumed run continues on other machines."""
        run, now = self.folder.run, self._machine()
        changes = [
            f"{run.machine[name]:g} {name}, now {now[name]:g}"
            for name in now
            if name in run.machine and run.machine[name] != now[name]
        ]
        if run.device != (device := self._device()):
            changes.append(f"{run.device}, now {device}")
        if not changes:
            return []
        return [
            f"This run began with {' and '.join(changes)}: seconds measured before and after are "
            "not comparable."
        ]

    def _record_machine(self) -> None:
        """Note in `run.json` that the run continues on other machines, for the figures' footers."""
        run = self.folder.run
        now = {"device": self._device(), "machine": self._machine()}
        known = [{"device": run.device, "machine": run.machine}, *run.resumed_on]
        if now not in known:
            self.folder.update_metadata(resumed_on=[*known[1:], now])


def _configs(launches: Sequence[Launch]) -> list[TrainConfig]:
    return [point.config for launch in launches for point in launch.points]


def _workers_of(launches: Sequence[Launch]) -> dict[str, list[int]]:
    """Return the worker counts by processor."""
    kinds = sorted({(launch.processor, launch.workers) for launch in launches})
    return {
        processor: [workers for _, workers in group]
        for processor, group in itertools.groupby(kinds, key=lambda kind: kind[0])
    }


def _check_only_ray(launches: Sequence[Launch]) -> None:
    """Raise `ConfigError` if a launch of a resumed run trains on this machine, not the cluster."""
    local = [launch.name for launch in launches if launch.launcher != "ray"]
    if local:
        raise ConfigError(
            f"{local[0]} is unfinished and trains on this machine, not on the cluster: omit "
            "--address and RAY_ADDRESS, or start a new run"
        )
