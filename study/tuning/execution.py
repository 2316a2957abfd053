"""The engine behind grid, range test and search: trains a `TuningPlan` with Ray Tune."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from lenet.config import ConfigError
from lenet.optimizers import build_optimizer
from search_spaces.study import PlannedTrial
from study.analysis.search import trial_number
from study.analysis.wording import pluralize
from study.cluster import announce, connection
from study.cluster.engine import Ending
from study.cluster.estimate import Estimate, estimate, estimate_unknown, format_duration
from study.cluster.resources import Resources, allocate, this_machine
from study.cluster.versions import versions
from study.runs.metadata import DatasetInfo, RunMetadata, project_commit
from study.runs.run_folder import RunFolder
from study.terminal import print_note
from study.tuning import announce as tuning_announce
from study.tuning.plan import TuningPlan

if TYPE_CHECKING:
    from study.tuning.search import Search
    from study.tuning.tuner import Outcome

_UNKNOWN_COUNT = 1_000_000  # stands for trials that later results will choose


class TuningEngine:
    """Trains the search, then the trials, then the follow-up of a plan (see `Engine`)."""

    unit = "trials"

    def __init__(self, plan: TuningPlan, console: Console) -> None:
        self.tool = plan.tool
        self.folder = plan.folder
        self._plan = plan
        self._console = console
        self._dashboard: str | None = None
        self._resources: Resources
        self._expected: Estimate

    @property
    def resume_options(self) -> list[str]:
        return self._plan.resume_options

    @property
    def _nothing_left(self) -> bool:
        return not self._plan.trials and not self._plan.has_search_left

    def prepare(self, *, dry_run: bool) -> bool:
        plan, console = self._plan, self._console
        for note in plan.notes:
            print_note(console, note)
        if self._nothing_left:
            console.print(f"All {plan.complete} trials of {self.folder.home} are complete.")
            return not dry_run
        request = plan.resources
        if request.address:
            self._dashboard = connection.connect(request.address)
        count_known = plan.follow_up is None and plan.search is None
        self._resources = allocate(
            connection.cluster_nodes() if request.address else [this_machine()],
            cpus_per_trial=request.cpus_per_trial or 1.0,
            gpus_per_trial=request.gpus_per_trial,
            max_concurrent=request.max_concurrent,
            trials=len(plan.trials) if count_known else _UNKNOWN_COUNT,
            may_grow=request.address is not None,
            autoscale=request.autoscale,
        )
        _check(plan)
        self._expected = self._estimate_plan()
        tuning_announce.plan(plan, self._resources, self._expected, console)
        if dry_run:
            tuning_announce.trials(plan.trials, self._expected, console)
        return not dry_run

    def write_plan(self) -> None:
        plan = self._plan
        if self._nothing_left:
            return
        if plan.resumed:
            self.folder.update_metadata(options=plan.options.to_json())
            self.folder.extend_plan(plan.trials)
        else:
            RunFolder.create(self.folder.home, self._metadata(), plan.trials)

    def train(self) -> Ending:
        if self._nothing_left:
            return Ending.COMPLETE
        plan = self._plan
        if plan.search is not None:
            plan.search.open(self.folder, resumed=plan.resumed)
            self.folder.upload_database()
        if plan.follow_up is not None:
            plan.follow_up.adopt(self.folder)
        # Another process may have continued this run since the plan was made.
        unfinished = {planned.name for planned in self.folder.unfinished()}
        trials = [planned for planned in plan.trials if planned.name in unfinished]
        if not plan.resources.address:
            self._console.print("Starting Ray ...")
            self._dashboard = connection.connect(None)
        announce.dashboard(self._dashboard, plan.request.study, self._console)
        return self._train_all(trials)

    def close(self) -> None:
        connection.disconnect()

    def _train_all(self, trials: Sequence[PlannedTrial]) -> Ending:
        plan = self._plan
        failed: set[str] = set()
        batches: list[Sequence[PlannedTrial] | Search] = []
        if plan.search is not None and plan.search.left:
            batches.append(plan.search)
        if trials:
            batches.append(trials)
        for batch in batches:
            first = batch is batches[0]
            outcome = self._train_batch(batch, self._expected if first else self._estimate(trials))
            failed |= outcome.failed
            if outcome.interrupted:
                return Ending.INTERRUPTED
        if follow_up := self._follow_up_trials(failed):
            expected = self._estimate(follow_up)
            self._console.print(
                f"{pluralize(len(follow_up), 'follow-up trial')}, based on the results so far: "
                f"about {format_duration(expected.total_seconds)}"
            )
            outcome = self._train_batch(follow_up, expected)
            failed |= outcome.failed
            if outcome.interrupted:
                return Ending.INTERRUPTED
        return Ending.SOME_FAILED if failed else Ending.COMPLETE

    def _follow_up_trials(self, failed: set[str]) -> list[PlannedTrial]:
        """Add the follow-up trials to the folder's plan and return those to train."""
        plan = self._plan
        if plan.follow_up is None:
            return []
        self.folder.extend_plan(plan.follow_up.plan(self.folder))
        plan.follow_up.adopt(self.folder)
        return [
            planned
            for planned in self.folder.unfinished()
            if planned.name not in failed
            and (plan.search is None or trial_number(planned.name) is None)
        ]

    def _train_batch(self, batch: Sequence[PlannedTrial] | Search, expected: Estimate) -> Outcome:
        # Imported after `connect`: Ray reads its environment and its token on import.
        from study.tuning.progress import ProgressCallback
        from study.tuning.search import Search
        from study.tuning.tuner import run_trials

        plan, objectives = self._plan, self._plan.objectives
        scheduler = plan.request.scheduler
        if isinstance(batch, Search):
            expected_seconds, unnamed, complete = {}, batch.left, batch.done
        else:
            if plan.search is not None:  # confirmations are compared at full length
                scheduler = "none"
            expected_seconds = {p.name: expected.trial_seconds[p.config.id] for p in batch}
            unnamed, complete = 0, len(self.folder.plan) - len(batch)
        progress = ProgressCallback(
            self._console,
            expected_seconds,
            objective=objectives[0],
            best=self.folder.best(objectives[0]),
            complete=complete,
            unnamed=unnamed,
            typical_seconds=expected.typical_seconds,
        )
        return run_trials(
            self.folder,
            batch,
            plan.datasets,
            self._resources,
            study=plan.request.study,
            objectives=objectives,
            scheduler=scheduler,
            progress=progress,
        )

    def _estimate_plan(self) -> Estimate:
        plan = self._plan
        if plan.search is None or not plan.search.left:
            return self._estimate(plan.trials)
        sampled = estimate(
            plan.configs,
            plan.datasets,
            side_by_side=1,
            threads=self._resources.threads,
            use_gpu=self._resources.gpus_per_trial > 0,
        )
        return estimate_unknown(sampled, plan.search.left, self._resources.side_by_side)

    def _estimate(self, trials: Sequence[PlannedTrial]) -> Estimate:
        return estimate(
            [planned.config for planned in trials],
            self._plan.datasets,
            side_by_side=self._resources.side_by_side,
            threads=self._resources.threads,
            use_gpu=self._resources.gpus_per_trial > 0,
        )

    def _metadata(self) -> RunMetadata:
        plan, request, resources = self._plan, self._plan.request, self._resources
        return RunMetadata(
            tool=plan.tool,
            options=plan.options.to_json(),
            study=request.study,
            budget=request.budget,
            seeds=request.seeds,
            objective=plan.objectives[0],
            choices={name: list(values) for name, values in request.choices.items()},
            scheduler=request.scheduler,
            grids=list(request.grids),
            dataset=DatasetInfo(
                name=", ".join(plan.datasets),
                source=", ".join(dataset.source for dataset in plan.datasets.values()),
            ),
            device=tuning_announce.device(resources),
            resources={
                "cpus_per_trial": resources.cpus_per_trial,
                "gpus_per_trial": resources.gpus_per_trial,
            },
            versions=versions(),
            commit=project_commit(),
            command=plan.command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def _check(plan: TuningPlan) -> None:
    """Raise `ConfigError` for what only the whole plan, or torch, can tell."""
    if plan.request.scheduler != "none" and len(plan.datasets) > 1:
        raise ConfigError(
            f"--scheduler {plan.request.scheduler} compares trials by accuracy, which is "
            f"meaningless across data sets: set one of {', '.join(plan.datasets)}"
        )
    for config in plan.configs:
        build_optimizer(config, [torch.nn.Parameter(torch.zeros(1))])
