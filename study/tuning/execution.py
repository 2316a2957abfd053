"""The engine behind grid, range test and search: trains a `TuningPlan` with Ray Tune."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

import search_spaces
from lenet.config import ConfigError, TrainConfig
from lenet.records import RECORDS_VERSION
from lenet.registry import OPTIMIZERS, is_own
from search_spaces.search_names import trial_number
from search_spaces.study import PlannedTrial
from study.analysis.hardware import Hardware, WorkerSpeedups
from study.analysis.wording import format_duration, pluralize
from study.cluster import announce, connection
from study.cluster.engine import Ending, Plan
from study.cluster.estimate import Estimate
from study.cluster.resources import Node, Resources, allocate, this_machine
from study.cluster.versions import versions
from study.runs.metadata import DatasetInfo, RunMetadata, definition_of, project_commit
from study.runs.run_folder import RunFolder
from study.terminal import print_note
from study.tuning import announce as tuning_announce
from study.tuning.fleet_planner import FleetPlanner
from study.tuning.hardware import HardwareComparison, other_machine
from study.tuning.plan import TuningPlan
from study.tuning.reuse import Conditions, Reuse
from study.tuning.reused_trials import ReusedTrials
from study.waiting import waiting

if TYPE_CHECKING:
    from study.tuning.search import Search
    from study.tuning.tuner import Outcome

_UNKNOWN_COUNT = 1_000_000  # stands in for the trials that later results will choose


class TuningEngine:
    """The Ray Tune engine of a plan: search first, then trials, then follow-up (see `Engine`)."""

    unit = "trials"

    def __init__(self, plan: TuningPlan, console: Console) -> None:
        self.tool = plan.tool
        self.folder = plan.folder
        self._plan = plan
        self._console = console
        self._dashboard: str | None = None
        self._resources: Resources
        self._fleets: FleetPlanner
        self._expected: Estimate
        self._reused: ReusedTrials
        self._hardware: Hardware | None = None

    @property
    def resume_options(self) -> list[str]:
        return self._plan.resume_options

    @property
    def preview(self) -> Plan:
        plan = self._plan
        if self._nothing_left:
            return Plan(planned=(), count=0, follow_up=0, seconds=0.0)
        of_search = plan.search.left * plan.search.seeds if plan.search is not None else 0
        return Plan(
            planned=self._to_train,
            count=of_search + len(self._to_train),
            follow_up=0 if plan.follow_up is None else plan.follow_up.at_most,
            seconds=self._expected.total_seconds,
            hardware=self._hardware,
        )

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
        speedups = self._worker_speedups()
        if request.address:
            self._dashboard = connection.connect(request.address)
        count_known = plan.follow_up is None and plan.search is None
        nodes = connection.cluster_nodes() if request.address else [this_machine()]
        trials = len(plan.trials) if count_known else _UNKNOWN_COUNT
        self._resources = self._allocate(nodes, trials)
        self._fleets = FleetPlanner(plan.datasets, self._resources, plan.options.pack)
        _check(plan)
        self._reused = self._find_reused()
        with waiting(console, "Timing training steps"):
            known = {p.name: p for p in (self.folder.plan if plan.resumed else ())}
            begun = [planned for planned in plan.trials if planned.name in known]
            new = [planned for planned in plan.trials if planned.name not in known]
            packed = self._fleets.pack(self._reused.not_reused(new), [*known.values()])
            proposals = self._fleets.pack_proposals(plan.search) if plan.search else []
            lines = [*proposals, *packed.lines]
            with_fleets = {planned.name: planned for planned in packed.trials}
            new = [with_fleets.get(planned.name, planned) for planned in new]
            plan = self._plan = replace(plan, trials=[*begun, *new])
            self._expected = self._estimate_plan()
            self._hardware = self._compare_hardware(nodes, speedups)
        tuning_announce.plan(plan, self._resources, self._expected, lines, console)
        self._announce_reused()
        if dry_run:
            tuning_announce.trials(self._to_train, self._expected, console)
            if self._hardware:
                tuning_announce.hardware(self._hardware, console)
        return not dry_run

    def _allocate(self, nodes: Sequence[Node], trials: int) -> Resources:
        request = self._plan.resources
        return allocate(
            nodes,
            cpus_per_trial=request.cpus_per_trial or 1.0,
            gpus_per_trial=request.gpus_per_trial,
            max_concurrent=request.max_concurrent,
            trials=trials,
            may_grow=request.address is not None,
            autoscale=request.autoscale,
        )

    def _worker_speedups(self) -> WorkerSpeedups | None:
        """Fit the model of the scaling run that the user named."""
        request = self._plan.hardware
        return WorkerSpeedups.load(request.scaling) if request and request.scaling else None

    def _compare_hardware(
        self, nodes: Sequence[Node], speedups: WorkerSpeedups | None
    ) -> Hardware | None:
        """Predict the time of each way to train a new grid. Return None for other runs."""
        plan, request, trials = self._plan, self._plan.hardware, self._to_train
        if request is None or plan.resumed or not trials or not nodes:
            return None
        resources = self._resources
        other = other_machine(request.cores, request.gpus, this_machine())
        if other is not None:
            nodes, resources = [other], self._allocate([other], len(trials))
        why_not_packed = "not timed: omit --pack off" if plan.options.pack == "off" else ""
        return HardwareComparison(
            trials=trials,
            datasets=plan.datasets,
            nodes=nodes,
            resources=resources,
            is_here=other is None,
            why_not_packed=why_not_packed,
            speeds=self._fleets.speeds([planned.config for planned in trials]),
            estimate_trials=self._fleets.estimate,
            speedups=speedups,
        ).hardware()

    def write_plan(self) -> None:
        plan = self._plan
        if self._nothing_left:
            return
        if plan.resumed:
            self.folder.update_metadata(options=plan.options.to_json())
            self.folder.extend_plan(plan.trials)
        else:
            RunFolder.create(self.folder.home, self._metadata(), plan.trials)
        self._adopt(plan.trials)

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
        if not trials and not plan.has_search_left and plan.follow_up is None:
            return Ending.COMPLETE
        if not plan.resources.address:
            with waiting(self._console, "Starting Ray, which takes 10 to 30 s"):
                self._dashboard = connection.connect(None)
        announce.dashboard(
            self._dashboard, search_spaces.find(plan.request.study).name, self._console
        )
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
            outcome = self._train_batch(
                batch, self._expected if first else self._fleets.estimate(trials)
            )
            failed |= outcome.failed
            if outcome.interrupted:
                return Ending.INTERRUPTED
        if plan.follow_up is not None:
            with waiting(self._console, "Choosing the follow-up trials by the results"):
                follow_up = self._follow_up_trials(failed)
                expected = self._fleets.estimate(follow_up)
            if not follow_up:
                return Ending.SOME_FAILED if failed else Ending.COMPLETE
            seconds = expected.training_seconds
            duration = f"about {format_duration(seconds)}" if seconds >= 1 else "less than a second"
            self._console.print(
                f"{pluralize(len(follow_up), 'follow-up trial')}: {plan.follow_up.description}, "
                f"{duration} of training"
            )
            outcome = self._train_batch(follow_up, expected)
            failed |= outcome.failed
            if outcome.interrupted:
                return Ending.INTERRUPTED
        return Ending.SOME_FAILED if failed else Ending.COMPLETE

    def _follow_up_trials(self, failed: set[str]) -> list[PlannedTrial]:
        """Add the follow-up trials to the folder's plan and return those to train."""
        plan = self._plan
        assert plan.follow_up is not None
        new = plan.follow_up.plan(self.folder)
        self.folder.extend_plan(new)
        plan.follow_up.adopt(self.folder)
        self._adopt(self.folder.unfinished())
        # Pack only now that reused trials are complete, so that no fleet trains them again.
        names = {planned.name for planned in new}
        to_pack = [planned for planned in self.folder.unfinished() if planned.name in names]
        self.folder.replace_in_plan(self._fleets.pack(to_pack, self.folder.plan).trials)
        return [
            planned
            for planned in self.folder.unfinished()
            if planned.name not in failed
            and (plan.search is None or trial_number(planned.name) is None)
        ]

    def _train_batch(self, batch: Sequence[PlannedTrial] | Search, expected: Estimate) -> Outcome:
        """Train the search or the trials, then regroup and train the rest of broken fleets."""
        from study.tuning.broken_fleets import regroup  # imports torch
        from study.tuning.search import Search

        outcome = self._train_once(batch, expected)
        while outcome.broken and not outcome.interrupted:
            trials, lines = regroup(self.folder, outcome.broken)
            for line in lines:
                self._console.print(line)
            if isinstance(batch, Search):
                batch.look(self.folder)
                batch.pending, batch.may_propose = trials, False
            else:
                batch = trials
            again = self._train_once(batch, self._fleets.estimate(trials))
            outcome = replace(again, failed=outcome.failed | again.failed)
        return outcome

    def _train_once(self, batch: Sequence[PlannedTrial] | Search, expected: Estimate) -> Outcome:
        # Imported after `connect`: Ray reads its environment and its token on import.
        from study.tuning.progress import ProgressCallback
        from study.tuning.search import Search
        from study.tuning.tuner import run_trials

        plan, objectives = self._plan, self._plan.objectives
        scheduler = plan.request.scheduler
        of_search = isinstance(batch, Search)

        def is_comparable(name: str) -> bool:
            # Search trials and confirmations are ranked apart: a confirmation may just be lucky.
            return plan.search is None or (trial_number(name) is not None) == of_search

        seconds, at_once = expected.trial_seconds, self._resources.side_by_side
        if isinstance(batch, Search):
            typical = expected.typical_seconds
            expected_seconds = {p.name: seconds.get(p.config.id, typical) for p in batch.pending}
            unnamed = batch.trials_left - len(batch.pending)
            complete = batch.complete_trials
        else:
            if plan.search is not None:  # confirmations are compared at full length
                scheduler = "none"
            expected_seconds = {p.name: seconds[p.config.id] for p in batch}
            at_once = max(1, min(at_once, len({p.fleet or p.name for p in batch})))
            unnamed, complete = 0, len(self.folder.plan) - len(batch)
        progress = ProgressCallback(
            self._console,
            expected_seconds,
            objective=objectives[0],
            best=self.folder.best(objectives[0], is_comparable),
            complete=complete,
            unnamed=unnamed,
            typical_seconds=expected.typical_seconds,
            at_once=at_once,
        )
        return run_trials(
            self.folder,
            batch,
            plan.datasets,
            self._resources,
            study=search_spaces.find(plan.request.study).name,
            objectives=objectives,
            scheduler=scheduler,
            keep_models=plan.options.keep_models,
            reuse=self._reused.reuse,
            progress=progress,
        )

    def _estimate_plan(self) -> Estimate:
        plan = self._plan
        if plan.search is None or not plan.search.left:
            return self._fleets.estimate(self._to_train)
        follow_up = 0 if plan.follow_up is None else plan.follow_up.at_most or 0
        return self._fleets.estimate_search(plan.search, plan.configs, follow_up)

    def _find_reused(self) -> ReusedTrials:
        """Look up which trials of the plan earlier runs have trained. Writes nothing."""
        plan, resources = self._plan, self._resources
        conditions = Conditions.of(
            announce.processor(on_gpu=resources.gpus_per_trial > 0),
            resources.threads,
            versions()["torch"],
            RECORDS_VERSION,
        )
        quiet = contextlib.nullcontext()
        with waiting(self._console, "Reading earlier runs") if plan.options.reuse else quiet:
            return ReusedTrials(Reuse.load(plan.options.reuse, conditions), plan.trials)

    @property
    def _to_train(self) -> list[PlannedTrial]:
        """The planned trials that no earlier run has trained."""
        return self._reused.not_reused(self._plan.trials)

    def _announce_reused(self) -> None:
        plan = self._plan
        if plan.options.reuse:
            self._reused.announce(plan.trials, self._console, for_search=plan.has_search_left)

    def _adopt(self, trials: Sequence[PlannedTrial]) -> None:
        keep_model = self._plan.options.keep_models != "none"
        self._reused.adopt(trials, self.folder, keep_model=keep_model)

    def _metadata(self) -> RunMetadata:
        plan, request, resources = self._plan, self._plan.request, self._resources
        return RunMetadata(
            tool=plan.tool,
            options=plan.options.to_json(),
            study=request.study,
            definition=definition_of(request.study),
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
            hardware=self._hardware.to_json() if self._hardware else {},
            versions=versions(),
            records_version=RECORDS_VERSION,
            commit=project_commit(),
            command=plan.command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def _check(plan: TuningPlan) -> None:
    """Raise `ConfigError` for problems that only the whole plan, or torch, reveals."""
    if plan.request.scheduler != "none" and len(plan.datasets) > 1:
        raise ConfigError(
            f"--scheduler {plan.request.scheduler} compares trials by accuracy, which is "
            f"meaningless across data sets: set one of {', '.join(plan.datasets)}"
        )
    unusual = [config for config in plan.configs if _may_be_refused(config)]
    if unusual:
        import torch

        from lenet.optimizers import build_optimizer

        for config in unusual:
            build_optimizer(config, [torch.nn.Parameter(torch.zeros(1))])


def _may_be_refused(config: TrainConfig) -> bool:
    """Return True if an optimizer may refuse its settings: they are not its defaults."""
    if is_own(config.optimizer):
        return True
    settings = OPTIMIZERS[config.optimizer].settings
    return any(getattr(config, name) is not None for name in settings)
