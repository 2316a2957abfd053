"""From a request on the command line to a finished run: what every command that trains a
plan of trials does around the training itself."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

import search_spaces
from lenet import datasets as data
from lenet.devices import describe_device, training_device
from search_spaces.study import Planned
from study.report.summary import summarize
from study.runtime import cluster
from study.runtime.estimate import Estimate, clock, estimate
from study.runtime.request import Machine, Question
from study.runtime.storage import COMPLETE, RunFolder, collect

_VERSIONS_OF = ("ray", "torch", "torchvision", "numpy")
_FALLBACK = "digits"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A plan with all that is needed to train it."""

    question: Question
    plan: list[Planned]
    """the trials that are not complete yet"""
    complete: int
    """how many are, from before"""
    datasets: Mapping[str, data.Dataset]
    folder: RunFolder
    resumed: bool
    machine: Machine
    command: str


def new_launch(
    question: Question, machine: Machine, results: Path | None, data_dir: Path | None, command: str
) -> tuple[Launch, str | None]:
    """A new run, and a line to say first if its data set is not the study's own.

    Raises `ConfigError` for whatever cannot be; nothing is written yet.
    """
    plan = question.plan()
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{question.study}-{question.budget}-{stamp}"
    folder = RunFolder(results or Path("results") / name)
    folder.check_free()
    notice = None
    try:
        datasets = _load(plan, data_dir)
    except data.DataUnavailable as error:
        if "dataset" in question.choices:
            raise
        notice = f"{error}\nUsing the data set {_FALLBACK} instead."
        plan = question.plan(_FALLBACK)
        datasets = _load(plan, data_dir)
    launch = Launch(
        question=question,
        plan=plan,
        complete=0,
        datasets=datasets,
        folder=folder,
        resumed=False,
        machine=machine,
        command=command,
    )
    return launch, notice


def resumed_launch(
    directory: Path, machine: Machine, data_dir: Path | None, command: str
) -> tuple[Launch, str | None]:
    """The rest of the run in `directory`, and a line to say first if other versions of the
    packages began it. Raises `ConfigError` if it is no run or its data cannot be had."""
    folder = RunFolder.open(directory)
    run = folder.run
    plan = folder.plan
    left = [p for p in plan if folder.trial(p.name).state().get("status") not in COMPLETE]
    question = Question(
        study=run["study"],
        budget=run["budget"],
        seeds=run["seeds"],
        choices=run["choices"],
        scheduler=run["scheduler"],
    )
    changed = {
        name: (was, now)
        for name, was in run["versions"].items()
        if (now := _versions().get(name)) != was
    }
    notice = "; ".join(
        f"began with {name} {was}, now {now}" for name, (was, now) in changed.items()
    )
    launch = Launch(
        question=question,
        plan=left,
        complete=len(plan) - len(left),
        datasets=_load(left, data_dir),
        folder=folder,
        resumed=True,
        machine=machine,
        command=command,
    )
    return launch, f"This run {notice}: records may differ in the last digits." if notice else None


def execute(launch: Launch, console: Console, *, dry_run: bool) -> int:
    """Say what will be done; unless `dry_run`, do it. The exit code of the command."""
    if not launch.plan:
        console.print(f"All {launch.complete} trials of {launch.folder.path} are complete.")
        collect(launch.folder.path)
        summarize(launch.folder.path, console)
        return 0
    address = launch.machine.address
    dashboard = cluster.connect(address) if address else None
    try:
        return _train(launch, dashboard, console, dry_run=dry_run)
    finally:
        cluster.disconnect()


def _train(launch: Launch, dashboard: str | None, console: Console, *, dry_run: bool) -> int:
    address = launch.machine.address
    resources = cluster.allot(
        cluster.cluster_capacity() if address else cluster.this_machine(),
        cpus_per_trial=launch.machine.cpus_per_trial,
        gpus_per_trial=launch.machine.gpus_per_trial,
        max_concurrent=launch.machine.max_concurrent,
        trials=len(launch.plan),
    )
    expected = estimate(
        [planned.config for planned in launch.plan],
        launch.datasets,
        concurrent=resources.concurrent,
        threads=resources.threads,
        use_gpu=resources.gpus_per_trial > 0,
    )
    _announce(launch, resources, expected, console)
    if dry_run:
        _list_trials(launch.plan, expected, console)
        return 0
    return _run(launch, resources, expected, dashboard, console)


def _run(
    launch: Launch,
    resources: cluster.Resources,
    expected: Estimate,
    dashboard: str | None,
    console: Console,
) -> int:
    question, folder = launch.question, launch.folder
    if not launch.resumed:
        folder = RunFolder.create(folder.path, _facts(launch, resources), launch.plan)
    with folder.lock():
        if not launch.machine.address:
            console.print("Starting Ray ...")
            dashboard = cluster.connect(None)
        _announce_dashboard(dashboard, question.study, console)
        # Not before `connect`: Ray reads its environment and its token when imported.
        from study.runtime.progress import ProgressCallback
        from study.runtime.tuning import run_trials

        progress = ProgressCallback(
            console,
            {p.name: expected.trial_seconds[p.config.id] for p in launch.plan},
            already_done=launch.complete,
        )
        outcome = run_trials(
            folder,
            launch.plan,
            launch.datasets,
            resources,
            study=question.study,
            scheduler=question.scheduler,
            progress=progress,
        )
        collect(folder.path)
    summarize(folder.path, console)
    if outcome.interrupted or outcome.failed:
        undone = "Interrupted" if outcome.interrupted else "Some trials failed"
        console.print(
            f"{undone}; all that was trained is kept in {folder.path}. Finish it with\n"
            f"  python -m study.grid --resume {shlex.quote(str(folder.path))}"
        )
    if outcome.interrupted:
        return 130
    return 1 if outcome.failed else 0


def _load(plan: Sequence[Planned], data_dir: Path | None) -> dict[str, data.Dataset]:
    return {
        name: data.load(name, data_dir)
        for name in dict.fromkeys(planned.config.dataset for planned in plan)
    }


def _versions() -> dict[str, str]:
    found = {name: metadata.version(name) for name in _VERSIONS_OF}
    return {"python": platform.python_version(), **found}


def _facts(launch: Launch, resources: cluster.Resources) -> dict[str, Any]:
    """What `run.json` says."""
    question = launch.question
    return {
        "study": question.study,
        "budget": question.budget,
        "seeds": question.seeds,
        "choices": {name: list(values) for name, values in question.choices.items()},
        "scheduler": question.scheduler,
        "dataset": {
            "name": ", ".join(launch.datasets),
            "source": ", ".join(dataset.source for dataset in launch.datasets.values()),
        },
        "device": _device(resources),
        "versions": _versions(),
        "command": launch.command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _announce(
    launch: Launch, resources: cluster.Resources, expected: Estimate, console: Console
) -> None:
    question = launch.question
    study = search_spaces.find(question.study)
    console.print(f"[bold]{study.name}[/bold]: {study.question}")
    for dataset in launch.datasets.values():
        sizes = f"{len(dataset.train):,} + {len(dataset.test):,} samples"
        console.print(f"  data set     {dataset.name}, {sizes}, from {dataset.source}")
    done = f", {launch.complete} more are complete" if launch.complete else ""
    seeds = f"{question.seeds} seed{'s' if question.seeds > 1 else ''}"
    console.print(f"  trials       {len(launch.plan)} (budget {question.budget}, {seeds}){done}")
    if question.scheduler != "none":
        console.print(f"  scheduler    {question.scheduler}, which stops weak trials early")
    console.print(f"  device       {_device(resources)}")
    console.print(f"  concurrency  {resources.concurrent} at once, {cluster.describe(resources)}")
    console.print(
        f"  time         about {clock(expected.total_seconds)}, "
        "from training steps measured on this machine"
    )
    console.print(f"  results      {launch.folder.path}")


def _device(resources: cluster.Resources) -> str:
    device = describe_device(training_device(resources.gpus_per_trial > 0))
    return f"{device}, {resources.threads} thread{'s' if resources.threads > 1 else ''} a trial"


def _announce_dashboard(dashboard: str | None, study: str, console: Console) -> None:
    if dashboard is None:
        console.print("  dashboard    none: this Ray was installed or started without it")
        return
    token = "; asks for the token that `ray get-auth-token` prints"
    needs_token = os.environ.get("RAY_AUTH_MODE") == "token"
    console.print(f"  dashboard    {dashboard}{token if needs_token else ''}")
    console.print(
        f"               its actors {study}_trial are the workers; their logs name trials"
    )


def _list_trials(plan: Sequence[Planned], expected: Estimate, console: Console) -> None:
    console.print("Trials, not started (--dry-run), with their expected time:")
    for planned in plan:
        console.print(f"  {planned.name}  {clock(expected.trial_seconds[planned.config.id])}")
