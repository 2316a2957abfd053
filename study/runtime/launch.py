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
from typing import TYPE_CHECKING, Any, Protocol

import torch
from rich.console import Console

import search_spaces
from lenet import datasets as data
from lenet.config import ConfigError, TrainConfig
from lenet.devices import describe_device, training_device
from lenet.optimizers import build_optimizer
from search_spaces.study import Planned, maximized
from study.analysis.search import number_of
from study.analysis.wording import counted, label
from study.report.summary import summarize
from study.runtime import cluster
from study.runtime.estimate import Estimate, clock, estimate
from study.runtime.request import Machine, Question
from study.runtime.storage import RunFolder

if TYPE_CHECKING:
    from study.runtime.searching import Search
    from study.runtime.tuning import Outcome

_VERSIONS_OF = ("ray", "torch", "torchvision", "numpy")
_FALLBACK = "digits"
_SAMPLES = 12  # of a search's space, to see what its trials are like
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
    then: FollowUp | None
    """what is trained once all this is, for it depends on what came out"""
    search: Search | None
    """what is searched before the plan is trained"""


class FollowUp(Protocol):
    """Trials that are chosen by what came out of others."""

    def plan(self, folder: RunFolder) -> list[Planned]:
        """Those that the folder's plan lacks; nothing is written."""
        ...

    def adopt(self, folder: RunFolder) -> None:
        """Write what of the plan need not be trained, for another run has done it."""
        ...


Searching = Callable[[str | None], "Search"]
"""From a data set that replaces the study's own, or None, to what is searched."""


def new_launch(
    question: Question,
    machine: Machine,
    results: Path | None,
    data_dir: Path | None,
    command: str,
    *,
    tool: str,
    asked: Mapping[str, Any] = MappingProxyType({}),
    then: FollowUp | None = None,
    search: Searching | None = None,
) -> Launch:
    """A new run. Raises `ConfigError` for whatever cannot be; nothing is written yet."""
    plan, searched = _wanted(question, search, None)
    folder = RunFolder(results or default_folder(question))
    folder.check_free()
    notices = []
    try:
        datasets = _load(_configs(plan, searched), data_dir)
    except data.DataUnavailable as error:
        if "dataset" in question.choices or data_dir is not None:
            raise
        notices = [f"{error}\nUsing the data set {_FALLBACK} instead."]
        plan, searched = _wanted(question, search, _FALLBACK)
        datasets = _load(_configs(plan, searched), data_dir)
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
        search=searched,
    )


def default_folder(question: Question) -> Path:
    """Where a run goes that was given no folder."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("results") / f"{question.study}-{question.budget}-{stamp}"


def _wanted(
    question: Question, search: Searching | None, dataset: str | None
) -> tuple[list[Planned], Search | None]:
    return (question.plan(dataset), None) if search is None else ([], search(dataset))


def _configs(plan: Sequence[Planned], search: Search | None) -> list[TrainConfig]:
    """The configs that will be trained, or, where they are not known yet, some like them."""
    if search is None:
        return [planned.config for planned in plan]
    return search.samples(_SAMPLES)


def resumed_launch(
    directory: Path,
    machine: Machine,
    data_dir: Path | None,
    command: str,
    *,
    asked: Mapping[str, Any] = MappingProxyType({}),
    then: FollowUp | None = None,
    search: Searching | None = None,
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
    searched = None
    if search is not None:
        searched = search(folder.run["dataset"]["name"])
        searched.look(folder)
        if searched.trials < searched.done:
            raise ConfigError(
                f"{searched.done} trials are done, so {searched.trials} in all cannot be: ask for "
                "more with --trials"
            )
        left = [planned for planned in left if number_of(planned.name) is None]
    if not left and then is not None and not (searched and searched.left):
        left = then.plan(folder)
    return Launch(
        question=Question.of_run(run),
        plan=left,
        complete=complete,
        datasets=_load(_configs(left, searched), data_dir),
        folder=folder,
        resumed=True,
        machine=machine,
        command=command,
        notices=notices,
        tool=run.get("tool", "study.grid"),
        asked=asked or run.get("asked", {}),
        then=then,
        search=searched,
    )


def execute(launch: Launch, console: Console, *, dry_run: bool) -> int:
    """Say what will be done; unless `dry_run`, do it. The exit code of the command."""
    for notice in launch.notices:
        console.print(f"[yellow]Note:[/yellow] {notice}")
    if not launch.plan and not (launch.search and launch.search.left):
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
        trials=len(launch.plan) if launch.then is None and launch.search is None else _MANY,
    )
    _check(launch)
    expected = _expected(launch, resources)
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
            launch.folder.amend(asked=dict(launch.asked))
            launch.folder.extend(launch.plan)
        else:
            RunFolder.create(launch.folder.path, _facts(launch, resources), launch.plan)
        if launch.search is not None:
            launch.search.open(launch.folder, resumed=launch.resumed)
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
    for config in _configs(launch.plan, launch.search):
        build_optimizer(config, [torch.nn.Parameter(torch.zeros(1))])


def _run(
    launch: Launch,
    resources: cluster.Resources,
    expected: Estimate,
    dashboard: str | None,
    console: Console,
) -> int:
    folder = launch.folder
    if launch.then is not None:
        launch.then.adopt(folder)
    # Another run may have gone on with this folder since it was first looked at.
    unfinished = {planned.name for planned in folder.unfinished()}
    plan = [planned for planned in launch.plan if planned.name in unfinished]
    if not launch.machine.address:
        console.print("Starting Ray ...")
        dashboard = cluster.connect(None)
    _announce_dashboard(dashboard, launch.question.study, console)
    outcomes: list[Outcome] = []

    def go_on(trials: Sequence[Planned] | Search, expected: Estimate) -> None:
        if not any(outcome.interrupted for outcome in outcomes):
            outcomes.append(_train_trials(trials, launch, resources, expected, console))

    if launch.search is not None and launch.search.left:
        go_on(launch.search, expected)
    if plan:
        go_on(plan, _estimate(plan, launch, resources) if launch.search else expected)
    if launch.then is not None and not any(outcome.interrupted for outcome in outcomes):
        folder.extend(launch.then.plan(folder))
        launch.then.adopt(folder)
        failed = {name for outcome in outcomes for name in outcome.failed}
        more = [
            planned
            for planned in folder.unfinished()
            if planned.name not in failed
            and (launch.search is None or number_of(planned.name) is None)
        ]
        if more:
            expected = _estimate(more, launch, resources)
            console.print(
                f"{counted(len(more), 'trial')} more, chosen by what came out: about "
                f"{clock(expected.total_seconds)}"
            )
            go_on(more, expected)
    if not folder.plan:
        console.print("No trial began within the time limit: give --resume a longer one.")
        return 1
    summarize(folder.path, console)
    if any(outcome.interrupted for outcome in outcomes):
        _say_how_to_resume("Interrupted", launch, console)
        return _INTERRUPTED
    if any(outcome.failed for outcome in outcomes):
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


def _expected(launch: Launch, resources: cluster.Resources) -> Estimate:
    """How long the plan takes, or the search: as many of trials like those it may propose."""
    if launch.search is None or not launch.search.left:
        return _estimate(launch.plan, launch, resources)
    samples = _configs([], launch.search)
    each = estimate(
        samples,
        launch.datasets,
        side_by_side=1,
        threads=resources.threads,
        use_gpu=resources.gpus_per_trial > 0,
    )
    typical = sum(each.trial_seconds.values()) / len(each.trial_seconds)
    total = each.start_up_seconds + typical * launch.search.left / resources.side_by_side
    return Estimate(each.trial_seconds, total, typical)


def _train_trials(
    trials: Sequence[Planned] | Search,
    launch: Launch,
    resources: cluster.Resources,
    expected: Estimate,
    console: Console,
) -> Outcome:
    # Not before `connect`: Ray reads its environment and its token when imported.
    from study.runtime.progress import ProgressCallback
    from study.runtime.searching import Search
    from study.runtime.tuning import run_trials

    folder = launch.folder
    objectives = _objectives(launch)
    scheduler = launch.question.scheduler
    if isinstance(trials, Search):
        named, to_come = {}, trials.left
        done = trials.done
    else:
        if launch.search is not None:  # what confirms a search is compared whole
            scheduler = "none"
        named, to_come = {p.name: expected.trial_seconds[p.config.id] for p in trials}, 0
        done = len(folder.plan) - len(trials)
    progress = ProgressCallback(
        console,
        named,
        objective=objectives[0],
        best=folder.best(objectives[0]),
        already_done=done,
        to_come=to_come,
        typical_seconds=expected.typical_seconds,
    )
    return run_trials(
        folder,
        trials,
        launch.datasets,
        resources,
        study=launch.question.study,
        objectives=objectives,
        scheduler=scheduler,
        progress=progress,
    )


def _say_how_to_resume(happened: str, launch: Launch, console: Console) -> None:
    folder = launch.folder.path
    at = f" --address {shlex.quote(launch.machine.address)}" if launch.machine.address else ""
    if "***" in str(launch.asked.get("storage")):
        at += " --optuna-storage URL"
    console.print(
        f"{happened}; all that was trained is kept in {folder}. Finish it with\n"
        f"  python -m {launch.tool} --resume {shlex.quote(str(folder))}{at}"
    )


def _objectives(launch: Launch) -> Sequence[str]:
    if launch.search is not None:
        return launch.search.objectives
    return [search_spaces.find(launch.question.study).objective]


def _load(configs: Sequence[TrainConfig], data_dir: Path | None) -> dict[str, data.Dataset]:
    return {
        name: data.load(name, data_dir)
        for name in dict.fromkeys(config.dataset for config in configs)
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
        "objective": _objectives(launch)[0],
        "choices": {name: list(values) for name, values in question.choices.items()},
        "scheduler": question.scheduler,
        "grids": list(question.grids),
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
    if launch.search is not None:
        console.print(f"  trials       {launch.search.left} (budget {question.budget}){done}")
        _announce_search(launch.search, console)
    else:
        console.print(
            f"  trials       {len(launch.plan)} (budget {question.budget}, {seeds}){done}"
        )
    if question.scheduler != "none":
        console.print(f"  scheduler    {question.scheduler}, which stops weak trials early")
    console.print(f"  device       {_device(resources)}")
    console.print(f"  concurrency  {resources.concurrent} at once, {cluster.describe(resources)}")
    more = "; what follows from them comes on top" if launch.then is not None else ""
    console.print(
        f"  time         about {clock(expected.total_seconds)}, "
        f"from training steps measured on this machine{more}"
    )
    console.print(f"  results      {launch.folder.path}")


def _announce_search(search: Search, console: Console) -> None:
    aims = " and ".join(
        f"{'most' if maximized(name) else 'least'} {label(name)}" for name in search.objectives
    )
    console.print(f"  search       by {search.sampler} (seed {search.seed}) for {aims}")
    for dimension in search.space:
        conditions = " and ".join(
            f"{name} {' or '.join(sorted(map(str, values)))}"
            for name, values in dimension.where.items()
        )
        said = f"    {dimension.setting:14} {dimension.over}"
        console.print(f"{said}, with {conditions}" if conditions else said, markup=False)


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
