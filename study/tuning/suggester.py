"""Searchers for Ray Tune: a list of trials in order, or Optuna's proposals."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from search_spaces.study import PlannedTrial, maximized
from study.analysis.search import quiet_optuna, trial_name
from study.runs.run_folder import RunFolder
from study.tuning import databases
from study.tuning.reuse import Reuse
from study.tuning.search import Search, propose


def tune_config(planned: PlannedTrial) -> dict[str, Any]:
    """Return Tune's config of a trial (see `Trial`)."""
    return {"trial": _trial_config(planned)}


def _trial_config(planned: PlannedTrial) -> dict[str, Any]:
    return {"name": planned.name, "settings": planned.config.to_dict()}


class InOrder(Searcher):
    """Hands out the trials of a list in order; a fleet in the place of its first trial.

    Tune's own grid search deep-copies the whole grid for every trial.
    """

    def __init__(self, trials: Sequence[PlannedTrial], plan: Sequence[PlannedTrial]) -> None:
        """Take the `trials` to train. The `plan` also has members of fleets that are complete."""
        super().__init__()
        self.names = frozenset(planned.name for planned in trials)
        self._configs = _configs(trials, plan)
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


def _configs(trials: Sequence[PlannedTrial], plan: Sequence[PlannedTrial]) -> list[dict[str, Any]]:
    """Return Tune's config of each fleet and single trial (see `FleetTrial`)."""
    members: dict[str, list[PlannedTrial]] = {}
    for planned in plan:
        members.setdefault(planned.fleet, []).append(planned)
    configs, fleets = [], set()
    for planned in trials:
        if not planned.fleet:
            configs.append(tune_config(planned))
        elif planned.fleet not in fleets:
            fleets.add(planned.fleet)
            by_slot = sorted(members[planned.fleet], key=lambda member: member.slot)
            configs.append(
                {"trial": {"name": planned.fleet, "members": [*map(_trial_config, by_slot)]}}
            )
    return configs


class Suggester(OptunaSearch):
    """Proposes the trials of a search and tells Optuna how they ended.

    Each proposal joins the folder's plan before it is trained. Trials that a scheduler stopped
    are reported as pruned. Ray 2.60's `OptunaSearch` reports them as complete, with an early value.
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
        self._study = search.study
        self._folder = folder
        self._reuse = reuse
        self._pending = list(search.pending)
        limit = math.inf if search.seconds is None else search.seconds
        self._deadline = time.monotonic() + limit
        self._planned: dict[str, PlannedTrial] = {}
        self.timed_out = False
        self.error: OSError | None = None
        """set once the database or the folder is unreachable; nothing more is proposed"""

    @property
    def begun(self) -> list[str]:
        """Names of the trials that were handed out."""
        return [planned.name for planned in self._planned.values()]

    def suggest(self, trial_id: str) -> Any:
        if self.error:
            return Searcher.FINISHED
        if time.monotonic() > self._deadline:
            self.timed_out = True
            return Searcher.FINISHED
        try:
            with databases.translated_errors():
                planned = self._next(trial_id)
        except OSError as error:
            self.error = error
            return Searcher.FINISHED
        self._planned[trial_id] = planned
        return tune_config(planned)

    def _next(self, trial_id: str) -> PlannedTrial:
        if self._pending:
            number, planned = self._pending.pop(0)
            frozen = self._study.get_trials(deepcopy=False)[number]
            self._ot_trials[trial_id] = optuna.trial.Trial(self._study, frozen._trial_id)
            return planned
        with quiet_optuna():
            values = super().suggest(trial_id)
        config = self._search.config(values or {})
        number = self._ot_trials[trial_id].number
        planned = PlannedTrial(name=trial_name(number, config), config=config)
        # The database goes first, so no trial is planned that an uploaded database lacks.
        self._folder.upload_database()
        self._folder.extend_plan([planned])
        if self._reuse and (match := self._reuse.find(config)):  # the worker finds it complete
            match.adopt_into(self._folder.trial(planned.name))
        return planned

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Do nothing: Optuna is told the whole curve once the trial has ended."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if error:  # a resumed run trains the trial again, so Optuna is told nothing
            return
        number = self._ot_trials[trial_id].number
        stopped = result is not None and not result["ended_by_itself"]
        # If Optuna's database is unreachable, the trial is told when the run is resumed.
        try:
            records = self._folder.trial(self._planned[trial_id].name).records()
            with contextlib.suppress(optuna.exceptions.StorageInternalError):
                self._search.tell(number, records, stopped=stopped)
                self._folder.upload_database()
        except OSError as unreachable:
            self.error = unreachable

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: database and folder hold all that a resumed search needs."""
        Path(checkpoint_path).write_bytes(b"")
