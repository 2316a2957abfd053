"""Searchers for Ray Tune: a list of trials in order, or Optuna's proposals."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler
from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from search_spaces.objective import maximized
from search_spaces.search_names import trial_number
from search_spaces.study import PlannedTrial
from study.analysis.search import quiet_optuna
from study.runs.run_folder import RunFolder
from study.tuning import databases
from study.tuning.packing import FleetNames, as_fleet, even_chunks, kind_of
from study.tuning.proposal_packing import values_of_kind
from study.tuning.reuse import EarlierTrial, Reuse
from study.tuning.search import Search, propose


def tune_config(planned: PlannedTrial) -> dict[str, Any]:
    """Return Tune's config of a trial (see `Trial`)."""
    return {"trial": _trial_config(planned)}


def _trial_config(planned: PlannedTrial) -> dict[str, Any]:
    return {"name": planned.name, "settings": planned.config.to_dict()}


class InOrder(Searcher):
    """A searcher that hands out listed trials in order, a fleet in the place of its first trial.

    It replaces Tune's own grid search, which deep-copies the whole grid for every trial.
    """

    def __init__(self, trials: Sequence[PlannedTrial], plan: Sequence[PlannedTrial]) -> None:
        """Take the `trials` to train. The `plan` also has members of fleets that are complete."""
        super().__init__()
        self.names = frozenset(planned.name for planned in trials)
        self._configs = [unit.config for unit in _units(trials, plan)]
        self._next = iter(self._configs)

    def __len__(self) -> int:
        """Return how many fleets and single trials there are."""
        return len(self._configs)

    def suggest(self, trial_id: str) -> Any:
        return next(self._next, Searcher.FINISHED)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: the next trial does not depend on it."""

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: the run's folder holds all that a resumed run needs."""
        Path(checkpoint_path).write_bytes(b"")


@dataclass(frozen=True)
class _Unit:
    """A fleet or a single trial: what Tune treats as one trial."""

    config: dict[str, Any]
    """Tune's config (see `FleetTrial`)"""
    names: tuple[str, ...]
    """of the trials to train"""


def _units(trials: Sequence[PlannedTrial], plan: Sequence[PlannedTrial]) -> list[_Unit]:
    """Return the `trials` as fleets and single trials. All members of the fleets are in `plan`."""
    groups: dict[str, list[PlannedTrial]] = {}
    for planned in trials:
        groups.setdefault(planned.fleet or planned.name, []).append(planned)
    members: dict[str, list[PlannedTrial]] = {}
    for planned in plan:
        members.setdefault(planned.fleet, []).append(planned)
    units = []
    for group in groups.values():
        fleet = group[0].fleet
        config = tune_config(group[0])
        if fleet:
            by_slot = sorted(members[fleet], key=lambda member: member.slot)
            config = {"trial": {"name": fleet, "members": [*map(_trial_config, by_slot)]}}
        units.append(_Unit(config, tuple(planned.name for planned in group)))
    return units


class Suggester(OptunaSearch):
    """A searcher that proposes the trials of a search and tells Optuna how they ended.

    It proposes as many points at a time as `Search.packing` says, and makes fleets of the points
    of one kind. Each proposal joins the folder's plan before a worker trains it. Trials that a
    scheduler stopped are reported as pruned: Ray 2.60's `OptunaSearch` would report them as
    complete, with an early value.
    """

    def __init__(self, search: Search, folder: RunFolder, reuse: Reuse | None = None) -> None:
        assert search.study is not None
        multi_objective = len(search.objectives) > 1
        modes = ["max" if maximized(name) else "min" for name in search.objectives]
        with quiet_optuna():
            super().__init__(
                lambda trial: propose(search.space.dimensions, trial),
                metric=list(search.objectives) if multi_objective else search.objectives[0],
                mode=modes if multi_objective else modes[0],
                sampler=search.study.sampler,
                study_name=search.study_name,
                storage=search.study._storage,
            )
        self._search = search
        self._base_sampler: BaseSampler = search.study.sampler
        self._folder = folder
        self._reuse = reuse
        plan = folder.plan
        self._fleet_names = FleetNames(plan)
        self._points: dict[int, list[str]] = {}
        """names of the trials of each point that has unfinished ones"""
        unfinished = {trial_number(planned.name) for planned in search.pending}
        for planned in plan:
            number = trial_number(planned.name)
            if number is not None and number in unfinished:
                self._points.setdefault(number, []).append(planned.name)
        self._waiting = _units(search.pending, plan)
        self._to_propose = search.to_propose
        limit = math.inf if search.seconds is None else search.seconds
        self._deadline = time.monotonic() + limit
        self.names: set[str] = set()
        """of the trials that were handed out"""
        self.timed_out = False
        self.error: OSError | None = None
        """set once the database or the folder is unreachable; nothing more is proposed"""

    @property
    def metric(self) -> None:  # type: ignore[override]
        """None, or Tune would demand the metric in every result, and a fleet as such has none."""
        return

    @property
    def has_more(self) -> bool:
        """Whether any trial is still to be handed out."""
        return bool(self._waiting) or self._to_propose > 0

    def suggest(self, trial_id: str) -> Any:
        if self.error or not self.has_more:
            return Searcher.FINISHED
        if time.monotonic() > self._deadline and not self._completes_a_point():
            self.timed_out = True
            return Searcher.FINISHED
        if not self._waiting:
            try:
                with databases.translated_errors():
                    self._propose()
            except OSError as error:
                self.error = error
                return Searcher.FINISHED
        unit = self._waiting.pop(0)
        self.names.update(unit.names)
        return unit.config

    def _completes_a_point(self) -> bool:
        """Return True if another seed of the next trial's point was handed out already."""
        following = self._waiting[0].names if self._waiting else ()
        numbers = {trial_number(name) for name in following}
        return any(trial_number(name) in numbers for name in self.names)

    def _propose(self) -> None:
        """Propose enough points for one fleet, and plan their trials.

        If the sampler does not learn, propose points of any kind, enough for a fleet of each kind.
        """
        packing, seeds = self._search.packing, self._search.seeds
        first, values = self._ask({})
        count = packing.points_like(first[0].config, seeds)
        of_kind: dict[str, Any] = {}
        if self._search.learns:
            of_kind = values_of_kind(self._search.space.dimensions, values)
        elif count > 1:
            count *= len(packing.members)
        count = min(count, self._to_propose)
        points = [first, *(self._ask(of_kind)[0] for _ in range(count - 1))]
        self._to_propose -= count
        reused: dict[str, EarlierTrial] = {}
        kinds: dict[Hashable, list[PlannedTrial]] = {}
        for planned in itertools.chain.from_iterable(points):
            match = self._reuse.find(planned.config) if self._reuse else None
            if match:
                reused[planned.name] = match
            kinds.setdefault(planned.name if match else kind_of(planned.config), []).append(planned)
        trials = [
            planned
            for group in kinds.values()
            for part in even_chunks(group, -(-len(group) // packing.limit(group[0].config)))
            for planned in as_fleet(part, self._fleet_names)
        ]
        # Upload the database first, so that it never lacks a planned trial.
        self._folder.upload_database()
        self._folder.extend_plan(trials)
        for name, match in reused.items():  # the worker finds it complete
            match.adopt_into(self._folder.trial(name))
        self._waiting += _units(trials, trials)

    def _ask(self, fixed: Mapping[str, Any]) -> tuple[list[PlannedTrial], dict[str, Any]]:
        """Ask Optuna for a point with `fixed` values; return its trials and all its values."""
        study: Any = self._ot_study
        study.sampler = self._base_sampler
        key = str(len(self._ot_trials))  # one of Tune's trials may hold several points
        with quiet_optuna():
            if fixed:
                study.sampler = PartialFixedSampler(dict(fixed), self._base_sampler)
            values = super().suggest(key) or {}
        number = self._ot_trials[key].number
        trials = self._search.point(number, values)
        self._points[number] = [planned.name for planned in trials]
        return trials, values

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Do nothing: Optuna is told the whole curve once a point has ended."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: one of Tune's trials may be a fleet. `TellOptuna` hears of each member."""

    def tell(self, name: str, *, stopped: bool) -> None:
        """Tell Optuna the result of a point if `name`, which has ended, was its last trial."""
        number = trial_number(name)
        assert number is not None
        # If Optuna's database is unreachable, Optuna is told when the run is resumed.
        try:
            trials = {other: self._folder.trial(other) for other in self._points[number]}
            if not all(trial.complete for other, trial in trials.items() if other != name):
                return
            curves = [trial.records() for trial in trials.values()]
            with contextlib.suppress(optuna.exceptions.StorageInternalError):
                self._search.tell(number, *curves, stopped=stopped)
                self._folder.upload_database()
        except OSError as unreachable:
            self.error = unreachable

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: database and folder hold all that a resumed search needs."""
        Path(checkpoint_path).write_bytes(b"")


class TellOptuna(tune.Callback):
    """A Tune callback that tells Optuna how each trial of a search ended.

    It does not report a trial that failed, because a resumed run trains that trial again.
    """

    def __init__(self, proposals: Suggester) -> None:
        self._proposals = proposals

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        stopped = not trial.last_result["ended_by_itself"]
        self._proposals.tell(str(trial), stopped=stopped)
