"""Turn a request into a plan that Ray Tune can train. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import search_spaces
from lenet.config import ConfigError, TrainConfig
from lenet.dataset_files import AnyDataset
from lenet.records import RECORDS_VERSION
from search_spaces.search_names import trial_number
from search_spaces.study import PlannedTrial
from study.cluster import datasets as run_datasets
from study.cluster.versions import differences, versions
from study.request import HardwareRequest, Options, Request, ResourceRequest, TuningSession
from study.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from study.tuning.search import Search

_SAMPLED_POINTS = 12  # of a search space, to estimate its trials


class FollowUp(Protocol):
    """Trials chosen by the results of earlier trials."""

    @property
    def at_most(self) -> int | None:
        """The maximum number of trials; None if only the results can tell."""
        ...

    @property
    def description(self) -> str:
        """What the trials are, for the announcement."""
        ...

    def plan(self, folder: RunFolder) -> list[PlannedTrial]:
        """Return the trials that the folder's plan lacks. Writes nothing."""
        ...

    def adopt(self, folder: RunFolder) -> None:
        """Write the trials of the plan that another run has trained already."""
        ...


MakeSearch = Callable[[str | None], "Search"]
"""Takes the name of a data set that replaces the study's own, or None."""


@dataclass(frozen=True, kw_only=True)
class TuningPlan:
    """The unfinished trials of a run, with all that is needed to train them."""

    tool: str
    """module name of the command"""
    request: Request
    resources: ResourceRequest
    options: Options
    """of the command"""
    trials: list[PlannedTrial]
    complete: int
    """number of trials completed by earlier sessions"""
    search: Search | None
    """runs before `trials`"""
    follow_up: FollowUp | None
    """runs after `trials`"""
    datasets: Mapping[str, AnyDataset]
    folder: RunFolder
    resumed: bool
    data_dir: Path | None
    """as typed"""
    command: str
    """as typed"""
    notes: Sequence[str]
    """printed first"""
    hardware: HardwareRequest | None = None
    """the machine or scaling run for a comparison of hardware; None: no comparison"""

    @property
    def objectives(self) -> Sequence[str]:
        """The quantities by which trials are compared."""
        if self.search is not None:
            return self.search.objectives
        return [search_spaces.find(self.request.study).objective]

    @property
    def configs(self) -> list[TrainConfig]:
        """The configs to train; for a search, random points of its space."""
        return _configs((self.trials, self.search))

    @property
    def has_search_left(self) -> bool:
        return self.search is not None and self.search.left > 0

    @property
    def resume_options(self) -> list[str]:
        """The options to type after `--resume PLACE`."""
        resources = self.resources
        options = ["--address", resources.address] if resources.address else []
        options += ["--autoscale"] if resources.autoscale else []
        limit = resources.max_concurrent
        options += ["--max-concurrent", str(limit)] if limit else []
        options += ["--data-dir", str(self.data_dir)] if self.data_dir else []
        return options + self.options.resume_options


def make_plan(
    session: TuningSession,
    follow_up: FollowUp | None = None,
    make_search: MakeSearch | None = None,
) -> TuningPlan:
    """Plan the trials that a run, new or resumed, has left to train.

    Raises: ConfigError if the request cannot be met, or if the run to resume does not exist, cannot
    be written to, or lacks its data.
    """
    plan = _resumed_plan if session.resumed else _new_plan
    return plan(session, follow_up, make_search)


def _new_plan(
    session: TuningSession, follow_up: FollowUp | None, make_search: MakeSearch | None
) -> TuningPlan:
    folder = RunFolder(session.place)
    folder.check_free()
    request = session.request

    def make_trials(dataset: str | None) -> tuple[list[PlannedTrial], Search | None]:
        return (request.plan(dataset), None) if make_search is None else ([], make_search(dataset))

    (trials, search), datasets, notes = run_datasets.load_or_fall_back(
        make_trials, _configs, request.choices, session.data_dir
    )
    return TuningPlan(
        tool=session.tool,
        request=request,
        resources=session.resources,
        options=session.options,
        trials=trials,
        complete=0,
        search=search,
        follow_up=follow_up,
        datasets=datasets,
        folder=folder,
        resumed=False,
        data_dir=session.data_dir,
        command=shlex.join(session.command),
        notes=notes,
        hardware=session.hardware,
    )


def _resumed_plan(
    session: TuningSession, follow_up: FollowUp | None, make_search: MakeSearch | None
) -> TuningPlan:
    """Plan the rest of a run, with its original resources unless the session sets others."""
    place, resources = session.place, session.resources
    folder = RunFolder.open(place)
    if not folder.writable:
        raise ConfigError(f"cannot write to {place}: resume the run where you have write access")
    run = folder.run
    search_spaces.find(run.study)
    began = run.resources
    if resources.cpus_per_trial is None:
        resources = replace(resources, cpus_per_trial=began.get("cpus_per_trial"))
    if resources.gpus_per_trial is None:
        resources = replace(resources, gpus_per_trial=began.get("gpus_per_trial"))
    now = {name: getattr(resources, name) for name in began}
    trials = folder.unfinished()
    complete = len(folder.plan) - len(trials)
    search = None
    if make_search is not None:
        search = make_search(run.dataset.name)
        search.look(folder)
        if search.trials < search.done:
            raise ConfigError(
                f"{search.done} trials are complete, more than --trials {search.trials}: use "
                "--trials with a larger number"
            )
        trials = [planned for planned in trials if trial_number(planned.name) is None]
    if not trials and follow_up is not None and not (search and search.left):
        trials = follow_up.plan(folder)
    return TuningPlan(
        tool=session.tool,
        request=Request.of_run(run),
        resources=resources,
        options=session.options,
        trials=trials,
        complete=complete,
        search=search,
        follow_up=follow_up,
        datasets=run_datasets.load(_configs((trials, search)), session.data_dir),
        folder=folder,
        resumed=True,
        data_dir=session.data_dir,
        command=shlex.join(session.command),
        notes=differences(
            {**run.versions, "records version": run.records_version, **began},
            {**versions(), "records version": RECORDS_VERSION, **now},
        ),
    )


def _configs(plan: tuple[Sequence[PlannedTrial], Search | None]) -> list[TrainConfig]:
    trials, search = plan
    if search is None:
        return [planned.config for planned in trials]
    return search.samples(_SAMPLED_POINTS)
