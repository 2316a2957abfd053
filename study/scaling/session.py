"""From what a scaling run was asked for to its finished folder."""

from __future__ import annotations

import datetime
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rich.console import Console

import search_spaces
from lenet import datasets as data
from lenet.config import ConfigError, TrainConfig
from study.analysis.wording import counted
from study.cluster import announce
from study.cluster import connection as cluster
from study.cluster import datasets as inputs
from study.cluster.estimate import clock, estimate
from study.report.summary import summarize
from study.runs.collect import refresh
from study.runs.run_folder import RunFolder
from study.runs.storage import reason
from study.scaling.launchers import Launcher, complete
from study.scaling.plan import (
    TOOL,
    Launch,
    Scaling,
    Session,
    as_json,
    check_room,
    check_threads,
    placed,
)
from study.tuning.plan import differences, versions


def run(session: Session, console: Console, *, dry_run: bool) -> int:
    """Do it, or say what would be done; the exit code of the command. Raises `ConfigError` for
    whatever cannot be, before anything is trained."""
    left = _left(session) if session.resumed else []
    if session.resumed and not left:  # tables and figures need no cluster
        session = replace(session, address=None, autoscale=False)
    if session.address:
        _check_on_cluster(left)
    try:
        # A cluster is looked at first; a Ray of our own is started when it is needed.
        ray_seconds = 0.0
        if session.address:
            started = time.perf_counter()
            cluster.connect(session.address)
            ray_seconds = time.perf_counter() - started
        with _machines(session, left, console, dry_run=dry_run) as nodes:
            return _run_on(nodes, session, left, ray_seconds, console, dry_run=dry_run)
    finally:
        cluster.disconnect()


def _planned(session: Session) -> list[Launch]:
    """The launches of a resumed run, on the data set that it began with."""
    trained = {planned.config.dataset for planned in session.folder.plan}
    # One that stands for the study's own; of several, each was asked for.
    return session.asked.launches(trained.pop() if len(trained) == 1 else None)


def _left(session: Session) -> list[Launch]:
    """Those of a resumed run that are not complete, with the points that are left of them. Raises
    `ConfigError` if it began with others."""
    planned = _planned(session)
    points = {p.name: p.config for launch in planned for p in launch.points}
    if points != {p.name: p.config for p in session.folder.plan}:
        raise ConfigError(
            f"{session.asked.study} has other runs here than those that {session.folder.home} "
            "began with: resume it with the version of the study that it began with, or start a "
            "new run"
        )
    launches = [
        replace(launch, points=tuple(p for p in launch.points if not complete(session.folder, p)))
        for launch in planned
    ]
    return [launch for launch in launches if launch.points]


def _workers_of(launches: Sequence[Launch]) -> dict[str, list[int]]:
    """The numbers of workers by processor."""
    each = sorted({(launch.processor, launch.workers) for launch in launches})
    return {
        processor: [workers for _, workers in inside]
        for processor, inside in itertools.groupby(each, key=lambda one: one[0])
    }


def _check_on_cluster(left: Sequence[Launch]) -> None:
    """Raise `ConfigError` if some of a resumed run are none of Ray's."""
    elsewhere = [launch.name for launch in left if launch.launcher != "ray"]
    if elsewhere:
        raise ConfigError(
            f"{elsewhere[0]} is not complete and trains on this machine, not on the cluster, as "
            "this run began: leave --address and RAY_ADDRESS out, or start a new run"
        )


@contextmanager
def _machines(
    session: Session, left: Sequence[Launch], console: Console, *, dry_run: bool
) -> Iterator[list[cluster.Node]]:
    """Those that there are, and those that the cluster adds if it does so, for what is `left` of a
    resumed run; raises `ConfigError` if they do not come, or what they must have was not said."""
    if not session.autoscale:
        yield cluster.cluster_nodes() if session.address else [cluster.this_machine()]
        return
    asked, needed = session.asked, _workers_of(left)
    processors = list(session.devices or needed)
    processor = "gpu" if "gpu" in processors else "cpu"
    counts = session.counts or needed.get(processor)
    if session.oversubscribe:
        raise ConfigError(
            "--autoscale makes room for all workers, --oversubscribe has them share what there is: "
            "leave one out"
        )
    if not counts or not processors:
        raise ConfigError(
            "--autoscale: machines may not be there yet, so say what they must have room for: "
            "--device gpu --workers 1,2,4, for one"
        )
    room: dict[cluster.Node, int] = {}
    for each in processors:
        check_threads(asked, each, resumed=session.resumed)
        # The CPU beside GPUs is one worker.
        most = max(counts) if each == processor else 1
        room[cluster.Node(cpus=asked.cpus_of(each), gpus=float(each == "gpu"))] = most
    if dry_run:  # nobody pays for a look
        to_come = [node for node, most in room.items() for _ in range(most)]
        yield [*cluster.cluster_nodes(), *to_come]
        return
    with cluster.room_made(room, console):
        yield cluster.cluster_nodes()


def _run_on(
    nodes: Sequence[cluster.Node],
    session: Session,
    left: Sequence[Launch],
    ray_seconds: float,
    console: Console,
    *,
    dry_run: bool,
) -> int:
    workers: Mapping[str, Sequence[int]] = _workers_of(left)
    notes = []
    if left:
        notes = differences(session.folder.run["versions"], versions())
        if not (dry_run and session.autoscale):  # the machines are not there yet
            notes += _said_of_machines(session, nodes)
    if not session.resumed:
        asked, notes = placed(
            session.asked,
            session.counts,
            session.devices,
            nodes,
            oversubscribe=session.oversubscribe,
        )
        session, workers = replace(session, asked=asked), asked.workers
    crowded = check_room(
        session.asked,
        workers,
        nodes,
        oversubscribe=session.oversubscribe,
        resumed=session.resumed,
    )
    for note in notes:
        console.print(f"[yellow]Note:[/yellow] {note}")
    started = time.perf_counter()
    datasets, launches = _datasets(session, left, console)
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
            if left:
                _keep_where(session.folder, facts)
            launcher = Launcher(
                session, nodes=nodes, crowded=crowded, datasets=datasets, console=console
            )
            failed = launcher.all(launches, ray_seconds + data_seconds)
            refresh(session.folder)
            summarize(session.folder.path, console)
            session.folder.publish()
            announce.published(session.folder, console)
        except KeyboardInterrupt:
            session.folder.check_held()
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


def _datasets(
    session: Session, left: Sequence[Launch], console: Console
) -> tuple[dict[str, data.Dataset], list[Launch]]:
    """The data sets by name, and the launches on them, of a resumed run those that are `left`:
    where those asked for cannot be had and were not asked for by name, on the embedded one."""

    def configs(of: Sequence[Launch]) -> list[TrainConfig]:
        return [planned.config for launch in of for planned in launch.points]

    if session.resumed:
        return inputs.load(configs(left), session.data_dir), list(left)
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
        "machine": _machine(nodes),
        "versions": versions(),
        "command": session.command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _machine(nodes: Sequence[cluster.Node]) -> dict[str, float]:
    return {
        "nodes": len(nodes),
        "cpus": sum(node.cpus for node in nodes),
        "gpus": sum(node.gpus for node in nodes),
    }


def _said_of_machines(session: Session, nodes: Sequence[cluster.Node]) -> list[str]:
    """What to say of a resumed run that goes on where it did not begin."""
    run, now = session.folder.run, _machine(nodes)
    was = run["machine"]
    others = [f"{was[name]:g} {name}, now {now[name]:g}" for name in now if was[name] != now[name]]
    if run["device"] != (device := _devices(session.asked)):
        others.append(f"{run['device']}, now {device}")
    if not others:
        return []
    return [
        f"This run began with {' and '.join(others)}: seconds measured before and after are not "
        "comparable."
    ]


def _keep_where(folder: RunFolder, facts: Mapping[str, Any]) -> None:
    """Have `run.json` say it if the run goes on where it did not begin: its seconds do not
    compare, which is to be seen below its figures."""
    now = {name: facts[name] for name in ("device", "machine")}
    run = folder.run
    known = [{name: run[name] for name in now}, *run.get("resumed_on", [])]
    if now not in known:
        folder.amend(resumed_on=[*known[1:], now])


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
    done = len(_planned(session)) - len(launches) if session.resumed else 0
    console.print(
        f"  launches     {len(launches)} in random order by repeat, {counted(runs, 'run')} "
        f"(budget {asked.budget}, {counted(asked.repeats, 'repeat')}"
        f"{f'; {done} more are complete' if done else ''})"
    )
    console.print(f"  device       {_devices(asked)}")
    if session.address:
        spread = {"pack": "few", "spread": "many"}[asked.placement]
        console.print(f"  placement    {asked.placement}, workers on {spread} machines")
    console.print(
        f"  time         about {clock(seconds)} of training at one worker's speed, from steps "
        "measured on this machine; starting its workers comes on top, tens of seconds a launch"
    )
    if asked.repeats == 1:
        console.print("  intervals    none: they need --repeats 2 or more")
    announce.results(session.folder, console)


def _training_seconds(
    session: Session, launches: Sequence[Launch], datasets: Mapping[str, data.Dataset]
) -> float:
    """What `launches` would take one worker. Raises `ConfigError` if a model cannot be trained at
    all, or not by as many workers."""
    total = 0.0
    for processor, counts in _workers_of(launches).items():
        left = [
            planned.config
            for launch in launches
            for planned in launch.points
            if launch.processor == processor
        ]
        expected = estimate(
            left,
            datasets,
            side_by_side=1,
            threads=max(1, math.floor(session.asked.cpus_of(processor))),
            use_gpu=processor == "gpu",
            data_parallel=max(counts) > 1,
        )
        total += sum(expected.trial_seconds[config.id] for config in left)
    return total


def _say_how_to_resume(happened: str, session: Session, console: Console) -> None:
    options = ["--oversubscribe"] if session.oversubscribe else []
    options += ["--address", session.address] if session.address else []
    options += ["--autoscale"] if session.autoscale else []
    options += ["--data-dir", str(session.data_dir)] if session.data_dir else []
    announce.how_to_resume(happened, TOOL, session.folder, options, console)
