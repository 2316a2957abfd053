"""Doing a launch: what is said, checked and trained, in this order."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from lenet.config import ConfigError
from lenet.optimizers import build_optimizer
from search_spaces.study import Planned
from study.analysis.search import number_of
from study.analysis.wording import counted
from study.cluster import announce
from study.cluster import connection as cluster
from study.cluster.estimate import Estimate, clock, estimate
from study.report.summary import summarize
from study.runs.collect import refresh
from study.runs.run_folder import RunFolder
from study.runs.storage import reason
from study.tuning.plan import Launch, versions

if TYPE_CHECKING:
    from study.tuning.search import Search
    from study.tuning.tuner import Outcome

_MANY = 1_000_000  # of what is chosen later, nobody knows how many there will be


def execute(launch: Launch, console: Console, *, dry_run: bool) -> int:
    """Say what will be done; unless `dry_run`, do it. The exit code of the command."""
    for notice in launch.notices:
        console.print(f"[yellow]Note:[/yellow] {notice}")
    if not launch.plan and not (launch.search and launch.search.left):
        console.print(f"All {launch.complete} trials of {launch.folder.home} are complete.")
        if not dry_run:
            with launch.folder.locked():
                _report(launch, console)
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
        may_grow=machine.address is not None,
        autoscale=machine.autoscale,
    )
    _check(launch)
    expected = _expected(launch, resources)
    announce.launch(launch, resources, expected, console)
    if dry_run:
        announce.trials(launch.plan, expected, console)
        return 0
    launch.folder.make()
    with launch.folder.locked():
        if launch.resumed:
            launch.folder.amend(asked=dict(launch.asked))
            launch.folder.extend(launch.plan)
        else:
            RunFolder.create(launch.folder.home, _facts(launch, resources), launch.plan)
        try:
            if launch.search is not None:
                launch.search.open(launch.folder, resumed=launch.resumed)
                launch.folder.keep_database()
            return _run(launch, resources, expected, dashboard, console)
        except KeyboardInterrupt:
            launch.folder.check_held()
            _say_how_to_resume("Interrupted", launch, console)
            return announce.INTERRUPTED
        except OSError as error:
            place = error.filename or launch.folder.home
            _say_how_to_resume(f"cannot read or write {place} ({reason(error)})", launch, console)
            return 1


def _check(launch: Launch) -> None:
    """Raise `ConfigError` for what only the whole plan, or torch, can tell."""
    if launch.question.scheduler != "none" and len(launch.datasets) > 1:
        raise ConfigError(
            f"--scheduler {launch.question.scheduler} compares the trials' accuracies, which "
            f"says nothing across data sets: set one of {', '.join(launch.datasets)}"
        )
    for config in launch.configs:
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
    announce.dashboard(dashboard, launch.question.study, console)
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
    _report(launch, console)
    if any(outcome.interrupted for outcome in outcomes):
        _say_how_to_resume("Interrupted", launch, console)
        return announce.INTERRUPTED
    if any(outcome.failed for outcome in outcomes):
        _say_how_to_resume("Some trials failed", launch, console)
        return 1
    return 0


def _expected(launch: Launch, resources: cluster.Resources) -> Estimate:
    """How long the plan takes, or the search: as many of trials like those it may propose."""
    if launch.search is None or not launch.search.left:
        return _estimate(launch.plan, launch, resources)
    samples = launch.configs
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


def _report(launch: Launch, console: Console) -> None:
    refresh(launch.folder)
    summarize(launch.folder.path, console)
    launch.folder.publish()
    announce.published(launch.folder, console)


def _estimate(plan: Sequence[Planned], launch: Launch, resources: cluster.Resources) -> Estimate:
    return estimate(
        [planned.config for planned in plan],
        launch.datasets,
        side_by_side=resources.side_by_side,
        threads=resources.threads,
        use_gpu=resources.gpus_per_trial > 0,
    )


def _train_trials(
    trials: Sequence[Planned] | Search,
    launch: Launch,
    resources: cluster.Resources,
    expected: Estimate,
    console: Console,
) -> Outcome:
    # Not before `connect`: Ray reads its environment and its token when imported.
    from study.tuning.progress import ProgressCallback
    from study.tuning.search import Search
    from study.tuning.tuner import run_trials

    folder = launch.folder
    objectives = launch.objectives
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


def _facts(launch: Launch, resources: cluster.Resources) -> dict[str, Any]:
    """What `run.json` says."""
    question = launch.question
    return {
        "tool": launch.tool,
        "asked": dict(launch.asked),
        "study": question.study,
        "budget": question.budget,
        "seeds": question.seeds,
        "objective": launch.objectives[0],
        "choices": {name: list(values) for name, values in question.choices.items()},
        "scheduler": question.scheduler,
        "grids": list(question.grids),
        "dataset": {
            "name": ", ".join(launch.datasets),
            "source": ", ".join(dataset.source for dataset in launch.datasets.values()),
        },
        "device": announce.device(resources),
        "resources": {
            "cpus_per_trial": resources.cpus_per_trial,
            "gpus_per_trial": resources.gpus_per_trial,
        },
        "versions": versions(),
        "command": launch.command,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _say_how_to_resume(happened: str, launch: Launch, console: Console) -> None:
    announce.how_to_resume(happened, launch.tool, launch.folder, launch.to_resume, console)
