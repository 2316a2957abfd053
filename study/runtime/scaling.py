"""From what a scaling run was asked for to its finished folder."""

from __future__ import annotations

import datetime
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

import search_spaces
from lenet import datasets as data
from lenet.config import ConfigError, TrainConfig
from search_spaces.study import Planned
from study.analysis.wording import counted
from study.report.summary import summarize
from study.runtime import announce, cluster, inputs
from study.runtime.collect import refresh
from study.runtime.estimate import clock, estimate
from study.runtime.launch import versions
from study.runtime.places import reason
from study.runtime.scaling_plan import (
    Launch,
    Scaling,
    as_json,
    check_room,
    check_threads,
    cpus_each,
    placed,
)
from study.runtime.storage import RunFolder
from study.runtime.trial_folder import COMPLETE

TOOL = "study.scaling"
_SECONDS_TO_END = 30


@dataclass(frozen=True, kw_only=True)
class Session:
    """A scaling run, new or resumed, with all that is needed to do it."""

    asked: Scaling
    folder: RunFolder
    resumed: bool
    data_dir: Path | None
    address: str | None
    autoscale: bool
    """whether the cluster is to add the machines that it lacks"""
    oversubscribe: bool
    command: str
    counts: Sequence[int] | None
    """numbers of workers, as typed"""
    devices: Sequence[str] | None
    """as typed"""


def run(session: Session, console: Console, *, dry_run: bool) -> int:
    """Do it, or say what would be done; the exit code of the command. Raises `ConfigError` for
    whatever cannot be, before anything is trained."""
    try:
        # A cluster is looked at first; a Ray of our own is started when it is needed.
        ray_seconds = 0.0
        if session.address:
            started = time.perf_counter()
            cluster.connect(session.address)
            ray_seconds = time.perf_counter() - started
        with _machines(session, console, dry_run=dry_run) as nodes:
            return _run_on(nodes, session, ray_seconds, console, dry_run=dry_run)
    finally:
        cluster.disconnect()


@contextmanager
def _machines(session: Session, console: Console, *, dry_run: bool) -> Iterator[list[cluster.Node]]:
    """Those that there are, and those that the cluster adds if it does so; raises `ConfigError` if
    they do not come, or what they must have was not said."""
    if not session.autoscale:
        yield cluster.cluster_nodes() if session.address else [cluster.this_machine()]
        return
    asked = session.asked
    on_gpu = "gpu" in (session.devices or asked.workers)
    counts = session.counts or asked.workers.get("gpu" if on_gpu else "cpu")
    if session.oversubscribe:
        raise ConfigError(
            "--autoscale makes room for all workers, --oversubscribe has them share what there is: "
            "leave one out"
        )
    if not counts or not (session.devices or asked.workers):
        raise ConfigError(
            "--autoscale: machines may not be there yet, so say what they must have room for: "
            "--device gpu --workers 1,2,4, for one"
        )
    for processor in session.devices or asked.workers:
        check_threads(asked, processor)
    each = cluster.Node(cpus=asked.cpus_per_worker, gpus=float(on_gpu))
    if dry_run:  # nobody pays for a look
        yield [*cluster.cluster_nodes(), *[each] * max(counts)]
        return
    with cluster.room_made(max(counts), each, console):
        yield cluster.cluster_nodes()


def _run_on(
    nodes: Sequence[cluster.Node],
    session: Session,
    ray_seconds: float,
    console: Console,
    *,
    dry_run: bool,
) -> int:
    notes: list[str] = []
    if not session.resumed:
        asked, notes = placed(
            session.asked,
            session.counts,
            session.devices,
            nodes,
            oversubscribe=session.oversubscribe,
        )
        session = replace(session, asked=asked)
    asked = session.asked
    crowded = check_room(asked, asked.workers, nodes, oversubscribe=session.oversubscribe)
    for note in notes:
        console.print(f"[yellow]Note:[/yellow] {note}")
    started = time.perf_counter()
    datasets, launches = _datasets(session, console)
    data_seconds = time.perf_counter() - started
    seconds = _training_seconds(session, launches, datasets)
    _announce(session, launches, datasets, crowded, console, seconds=seconds)
    if dry_run:
        for launch in launches:
            console.print(f"  {launch.name}: {', '.join(p.name for p in launch.points)}")
        return 0
    facts = _facts(session, nodes, datasets)
    session.folder.make()
    with session.folder.locked():
        if not session.resumed:
            plan = [point for launch in launches for point in launch.points]
            RunFolder.create(session.folder.home, facts, plan)
        try:
            launcher = _Launcher(
                session, nodes=nodes, crowded=crowded, datasets=datasets, console=console
            )
            failed = launcher.all(launches, ray_seconds + data_seconds)
            refresh(session.folder)
            summarize(session.folder.path, console)
            session.folder.publish()
            announce.published(session.folder, console)
        except KeyboardInterrupt:
            _say_how_to_resume("Interrupted", session, console)
            return announce.INTERRUPTED
        except OSError as error:
            place = error.filename or session.folder.home
            happened = f"cannot read or write {place} ({reason(error)})"
            _say_how_to_resume(happened, session, console)
            return 1
    if failed:
        _say_how_to_resume("Some launches failed", session, console)
    return 1 if failed else 0


class _Launcher:
    """Starts one launch after the other; no two run at once, since they are timed."""

    def __init__(
        self,
        session: Session,
        *,
        nodes: Sequence[cluster.Node],
        crowded: Mapping[str, Mapping[int, bool]],
        datasets: Mapping[str, data.Dataset],
        console: Console,
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._crowded = crowded
        self._datasets = datasets
        self._ray_seconds = 0.0
        self._console = console
        self._shared: dict[str, Any] = {}

    def all(self, launches: Sequence[Launch], ray_seconds: float) -> bool:
        """Whether any failed; the others are done in spite of it. `ray_seconds` is what it took
        to read the data, and to join the cluster if there is one."""
        self._ray_seconds = ray_seconds
        folder, failed = self._session.folder, False
        # Before all launches: what Ray costs the others by being there, it costs all of them.
        if any(launch.launcher == "ray" for launch in launches):
            self._connect()
        for number, launch in enumerate(launches, 1):
            left = [p for p in launch.points if not _complete(folder, p)]
            place = f"  {number}/{len(launches)} {launch.name}"
            if not left:
                self._console.print(f"{place}: complete from before")
                continue
            started = time.perf_counter()
            error = self._start(launch, left)
            seconds = time.perf_counter() - started
            undone = [p for p in left if not _complete(folder, p)]
            for planned in undone:
                folder.trial(planned.name).mark("failed", error or "its workers ended before it")
            failed = failed or bool(undone)
            said = f"{counted(len(left), 'run')} in {seconds:.1f} s, start-up counted in"
            if undone:
                said = f"{len(undone)} of {said} failed: {error or 'no reason was given'}"
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
        from study.runtime.torch_trainer import train_with_ray

        on_ctrl_c = signal.getsignal(signal.SIGINT)
        cpus = asked.cpus_of(launch.processor)
        if oversubscribed:
            cpus = cpus_each(self._nodes, launch.workers, cpus)
        try:
            train_with_ray(
                job,
                self._shared,
                cpus_per_worker=cpus,
                placement=asked.placement,
                ray_seconds=self._ray_seconds,
            )
        except Exception as error:  # whatever a worker raises comes back through Ray
            return (str(error).strip().splitlines() or [type(error).__name__])[-1]
        except SystemExit:  # as Ray Train's own handler of Ctrl-C ends
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, on_ctrl_c)  # Ray Train leaves its own behind
        return None

    def _connect(self) -> None:
        if not self._session.address:
            self._console.print("  Starting Ray ...")
        started = time.perf_counter()
        if not self._session.address:
            cluster.connect(None)
        import ray

        from study.runtime.trial import share

        self._shared = {name: ray.put(share(dataset)) for name, dataset in self._datasets.items()}
        self._ray_seconds += time.perf_counter() - started

    def _start_process(self, launch: Launch, job: Mapping[str, Any]) -> str | None:
        """A launch without Ray; the last line it printed if it failed."""
        folder = self._session.folder.path / "launches"
        folder.mkdir(exist_ok=True)
        path = folder / f"{launch.name}.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        worker = ["-m", "study.runtime.replica", str(path)]
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
        lines = log.read_text(encoding="utf-8").strip().splitlines()
        return f"exit code {code}: {lines[-1] if lines else 'no output'} (see {log})"


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


def _complete(folder: RunFolder, planned: Planned) -> bool:
    return folder.trial(planned.name).state().get("status") in COMPLETE


def _datasets(session: Session, console: Console) -> tuple[dict[str, data.Dataset], list[Launch]]:
    """The data sets by name, and the launches on them: where those asked for cannot be had and
    were not asked for by name, on the embedded one."""

    def configs(of: Sequence[Launch]) -> list[TrainConfig]:
        return [planned.config for launch in of for planned in launch.points]

    if session.resumed:
        trained = {planned.config.dataset for planned in session.folder.plan}
        # One that stands for the study's own; of several, each was asked for.
        launches = session.asked.launches(trained.pop() if len(trained) == 1 else None)
        return inputs.load(configs(launches), session.data_dir), launches
    launches, datasets, notices = inputs.load_or_fall_back(
        session.asked.launches, configs, session.asked.choices, session.data_dir
    )
    for notice in notices:
        console.print(f"[yellow]Note:[/yellow] {notice}")
    return datasets, launches


def _facts(
    session: Session, nodes: Sequence[cluster.Node], datasets: Mapping[str, data.Dataset]
) -> dict[str, Any]:
    """What `run.json` says."""
    asked = session.asked
    return {
        "tool": TOOL,
        "asked": as_json(asked),
        "study": asked.study,
        "budget": asked.budget,
        "seeds": asked.repeats,
        "objective": search_spaces.find(asked.study).objective,
        "choices": {name: list(values) for name, values in asked.choices.items()},
        "scheduler": "none",
        "dataset": {
            "name": ", ".join(datasets),
            "source": ", ".join(dataset.source for dataset in datasets.values()),
        },
        "device": _devices(asked),
        "machine": {
            "nodes": len(nodes),
            "cpus": sum(node.cpus for node in nodes),
            "gpus": sum(node.gpus for node in nodes),
        },
        "versions": versions(),
        "command": session.command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _devices(asked: Scaling) -> str:
    return " and ".join(
        f"{announce.processor(on_gpu=name == 'gpu')}, {asked.cpus_of(name):g} CPU a worker"
        for name in asked.workers
    )


def _announce(
    session: Session,
    launches: Sequence[Launch],
    datasets: Mapping[str, data.Dataset],
    crowded: Mapping[str, Mapping[int, bool]],
    console: Console,
    *,
    seconds: float,
) -> None:
    asked = session.asked
    runs = sum(len(launch.points) for launch in launches)
    announce.question(asked.study, datasets, console)
    for processor, counts in crowded.items():
        said = [f"{n} (oversubscribed)" if over else str(n) for n, over in counts.items()]
        console.print(f"  workers      {', '.join(said)} on {processor}")
    console.print(
        f"  launches     {len(launches)} in random order by repeat, {counted(runs, 'run')} "
        f"(budget {asked.budget}, {counted(asked.repeats, 'repeat')})"
    )
    console.print(f"  device       {_devices(asked)}")
    console.print(
        f"  time         about {clock(seconds)} of training at one worker's speed, from steps "
        "measured on this machine; start-up comes on top"
    )
    if asked.repeats == 1:
        console.print("  intervals    none: they need --repeats 2 or more")
    announce.results(session.folder, console)


def _training_seconds(
    session: Session, launches: Sequence[Launch], datasets: Mapping[str, data.Dataset]
) -> float:
    """What is left of `launches` would take one worker. Raises `ConfigError` if a model cannot be
    trained at all."""
    total = 0.0
    for processor in session.asked.workers:
        left = [
            planned.config
            for launch in launches
            for planned in launch.points
            if launch.processor == processor
            and not (session.resumed and _complete(session.folder, planned))
        ]
        expected = estimate(
            left,
            datasets,
            side_by_side=1,
            threads=max(1, math.floor(session.asked.cpus_of(processor))),
            use_gpu=processor == "gpu",
        )
        total += sum(expected.trial_seconds[config.id] for config in left)
    return total


def _say_how_to_resume(happened: str, session: Session, console: Console) -> None:
    options = ["--oversubscribe"] if session.oversubscribe else []
    options += ["--address", session.address] if session.address else []
    options += ["--autoscale"] if session.autoscale else []
    options += ["--data-dir", str(session.data_dir)] if session.data_dir else []
    announce.how_to_resume(happened, TOOL, session.folder, options, console)
