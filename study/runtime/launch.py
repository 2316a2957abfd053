"""From a request on the command line to a finished run: what every command that trains a
plan of trials does around the training itself."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

import search_spaces
from lenet import datasets as data
from lenet.config import ConfigError
from lenet.devices import describe_device, training_device
from lenet.optimizers import build_optimizer
from search_spaces.study import Planned
from study.analysis.wording import counted
from study.report.summary import summarize
from study.runtime import cluster
from study.runtime.estimate import Estimate, clock, estimate
from study.runtime.request import Machine, Question
from study.runtime.storage import RunFolder

if TYPE_CHECKING:
    from study.runtime.tuning import Outcome

_VERSIONS_OF = ("ray", "torch", "torchvision", "numpy")
_FALLBACK = "digits"
_MANY = 1_000_000  # of what is chosen later, nobody knows how many there will be
_INTERRUPTED = 130  # as a shell says of a command that Ctrl-C ended


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
    notices: Sequence[str]
    """what to say first"""
    tool: str
    """the command: the module's name"""
    asked: Mapping[str, Any]
    """what of its options a resumed run has to know"""
    then: Then | None
    """what is trained once the plan is, for it depends on what came out"""


Then = Callable[[RunFolder], list[Planned]]
"""From the folder of a run with a trained plan to more trials, without those that it has."""


def new_launch(
    question: Question,
    machine: Machine,
    results: Path | None,
    data_dir: Path | None,
    command: str,
    *,
    tool: str,
    asked: Mapping[str, Any] = MappingProxyType({}),
    then: Then | None = None,
) -> Launch:
    """A new run. Raises `ConfigError` for whatever cannot be; nothing is written yet."""
    plan = question.plan()
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{question.study}-{question.budget}-{stamp}"
    folder = RunFolder(results or Path("results") / name)
    folder.check_free()
    notices = []
    try:
        datasets = _load(plan, data_dir)
    except data.DataUnavailable as error:
        if "dataset" in question.choices or data_dir is not None:
            raise
        notices = [f"{error}\nUsing the data set {_FALLBACK} instead."]
        plan = question.plan(_FALLBACK)
        datasets = _load(plan, data_dir)
    return Launch(
        question=question,
        plan=plan,
        complete=0,
        datasets=datasets,
        folder=folder,
        resumed=False,
        machine=machine,
        command=command,
        notices=notices,
        tool=tool,
        asked=asked,
        then=then,
    )


def resumed_launch(
    directory: Path,
    machine: Machine,
    data_dir: Path | None,
    command: str,
    *,
    then: Then | None = None,
) -> Launch:
    """The rest of the run in `directory`, each trial with the resources that the run began
    with unless `machine` says otherwise. Raises `ConfigError` if it is no run that can be
    written to, or its data cannot be had."""
    folder = RunFolder.open(directory)
    if not folder.writable:
        raise ConfigError(f"cannot write to {directory}: resume it where you may write")
    run = folder.run
    search_spaces.find(run["study"])
    began = run["resources"]
    machine = replace(
        machine,
        **{name: began[name] for name in began if getattr(machine, name) is None},
    )
    differences = [
        f"{name} {was}, now {now}"
        for name, was, now in (
            *((name, was, versions().get(name)) for name, was in run["versions"].items()),
            *((name, was, getattr(machine, name)) for name, was in began.items()),
        )
        if was != now
    ]
    notices = [
        f"This run began with {difference}: records may differ in their last digits."
        for difference in differences
    ]
    left = folder.unfinished()
    complete = len(folder.plan) - len(left)
    if not left and then is not None:
        left = then(folder)
    return Launch(
        question=Question.of_run(run),
        plan=left,
        complete=complete,
        datasets=_load(left, data_dir),
        folder=folder,
        resumed=True,
        machine=machine,
        command=command,
        notices=notices,
        tool=run.get("tool", "study.grid"),
        asked=run.get("asked", {}),
        then=then,
    )


def execute(launch: Launch, console: Console, *, dry_run: bool) -> int:
    """Say what will be done; unless `dry_run`, do it. The exit code of the command."""
    for notice in launch.notices:
        console.print(f"[yellow]Note:[/yellow] {notice}")
    if not launch.plan:
        console.print(f"All {launch.complete} trials of {launch.folder.path} are complete.")
        if not dry_run:
            summarize(launch.folder.path, console)
        return 0
    try:
        address = launch.machine.address
        dashboard = cluster.connect(address) if address else None
        return _train(launch, dashboard, console, dry_run=dry_run)
    finally:
        cluster.disconnect()


def _train(launch: Launch, dashboard: str | None, console: Console, *, dry_run: bool) -> int:
    machine = launch.machine
    nodes = cluster.cluster_nodes() if machine.address else [cluster.this_machine()]
    resources = cluster.allot(
        nodes,
        cpus_per_trial=machine.cpus_per_trial or 1.0,
        gpus_per_trial=machine.gpus_per_trial,
        max_concurrent=machine.max_concurrent,
        trials=len(launch.plan) if launch.then is None else _MANY,
    )
    _check(launch)
    expected = _estimate(launch.plan, launch, resources)
    _announce(launch, resources, expected, console)
    if dry_run:
        _list_trials(launch.plan, expected, console)
        return 0
    try:
        launch.folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot write to {launch.folder.path} ({error.strerror}): name another folder with "
            "--results"
        ) from error
    with launch.folder.locked():
        if launch.resumed:
            launch.folder.extend(launch.plan)
        else:
            RunFolder.create(launch.folder.path, _facts(launch, resources), launch.plan)
        try:
            return _run(launch, resources, expected, dashboard, console)
        except KeyboardInterrupt:
            _say_how_to_resume("Interrupted", launch, console)
            return _INTERRUPTED


def _check(launch: Launch) -> None:
    """Raise `ConfigError` for what only the whole plan, or torch, can tell."""
    if launch.question.scheduler != "none" and len(launch.datasets) > 1:
        raise ConfigError(
            f"--scheduler {launch.question.scheduler} compares the trials' accuracies, which "
            f"says nothing across data sets: set one of {', '.join(launch.datasets)}"
        )
    for planned in launch.plan:
        build_optimizer(planned.config, [torch.nn.Parameter(torch.zeros(1))])


def _run(
    launch: Launch,
    resources: cluster.Resources,
    expected: Estimate,
    dashboard: str | None,
    console: Console,
) -> int:
    folder = launch.folder
    # Another run may have gone on with this folder since it was first looked at.
    unfinished = {planned.name for planned in folder.unfinished()}
    plan = [planned for planned in launch.plan if planned.name in unfinished]
    if not launch.machine.address:
        console.print("Starting Ray ...")
        dashboard = cluster.connect(None)
    _announce_dashboard(dashboard, launch.question.study, console)
    outcome = _train_plan(plan, launch, resources, expected, console)
    failed = outcome.failed
    if launch.then is not None and not outcome.interrupted:
        more = launch.then(folder)
        if more:
            folder.extend(more)
            expected = _estimate(more, launch, resources)
            console.print(
                f"{counted(len(more), 'trial')} more, chosen by what came out: about "
                f"{clock(expected.total_seconds)}"
            )
            outcome = _train_plan(more, launch, resources, expected, console)
            failed = failed or outcome.failed
    summarize(folder.path, console)
    if outcome.interrupted:
        _say_how_to_resume("Interrupted", launch, console)
        return _INTERRUPTED
    if failed:
        _say_how_to_resume("Some trials failed", launch, console)
        return 1
    return 0


def _estimate(plan: Sequence[Planned], launch: Launch, resources: cluster.Resources) -> Estimate:
    return estimate(
        [planned.config for planned in plan],
        launch.datasets,
        side_by_side=resources.side_by_side,
        threads=resources.threads,
        use_gpu=resources.gpus_per_trial > 0,
    )


def _train_plan(
    plan: Sequence[Planned],
    launch: Launch,
    resources: cluster.Resources,
    expected: Estimate,
    console: Console,
) -> Outcome:
    # Not before `connect`: Ray reads its environment and its token when imported.
    from study.runtime.progress import ProgressCallback
    from study.runtime.tuning import run_trials

    folder = launch.folder
    objective = search_spaces.find(launch.question.study).objective
    progress = ProgressCallback(
        console,
        {p.name: expected.trial_seconds[p.config.id] for p in plan},
        objective=objective,
        best=folder.best(objective),
        already_done=len(folder.plan) - len(plan),
    )
    return run_trials(
        folder,
        plan,
        launch.datasets,
        resources,
        study=launch.question.study,
        objective=objective,
        scheduler=launch.question.scheduler,
        progress=progress,
    )


def _say_how_to_resume(happened: str, launch: Launch, console: Console) -> None:
    folder = launch.folder.path
    at = f" --address {shlex.quote(launch.machine.address)}" if launch.machine.address else ""
    console.print(
        f"{happened}; all that was trained is kept in {folder}. Finish it with\n"
        f"  python -m {launch.tool} --resume {shlex.quote(str(folder))}{at}"
    )


def _load(plan: Sequence[Planned], data_dir: Path | None) -> dict[str, data.Dataset]:
    return {
        name: data.load(name, data_dir)
        for name in dict.fromkeys(planned.config.dataset for planned in plan)
    }


def versions() -> dict[str, str]:
    """Of what decides about records."""
    found = {name: metadata.version(name) for name in _VERSIONS_OF}
    return {"python": platform.python_version(), **found}


def _facts(launch: Launch, resources: cluster.Resources) -> dict[str, Any]:
    """What `run.json` says."""
    question = launch.question
    return {
        "tool": launch.tool,
        "asked": dict(launch.asked),
        "study": question.study,
        "budget": question.budget,
        "seeds": question.seeds,
        "objective": search_spaces.find(question.study).objective,
        "choices": {name: list(values) for name, values in question.choices.items()},
        "scheduler": question.scheduler,
        "dataset": {
            "name": ", ".join(launch.datasets),
            "source": ", ".join(dataset.source for dataset in launch.datasets.values()),
        },
        "device": _device(resources),
        "resources": {
            "cpus_per_trial": resources.cpus_per_trial,
            "gpus_per_trial": resources.gpus_per_trial,
        },
        "versions": versions(),
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
