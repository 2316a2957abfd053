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
from study.tuning.search import Search, propose


def tune_config(planned: PlannedTrial) -> dict[str, Any]:
    """Return Tune's config of a trial (see `Trial`)."""
    return {"trial": {"name": planned.name, "settings": planned.config.to_dict()}}


class InOrder(Searcher):
    """Hands out the trials of a list in order.

    Tune's own grid search deep-copies the whole grid for every trial.
    """

    def __init__(self, trials: Sequence[PlannedTrial]) -> None:
        super().__init__()
        self._trials = iter(trials)

    def suggest(self, trial_id: str) -> Any:
        planned = next(self._trials, None)
        return Searcher.FINISHED if planned is None else tune_config(planned)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: the next trial does not depend on it."""

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: the run's folder holds all that a resumed run needs."""
        Path(checkpoint_path).write_bytes(b"")


class Suggester(OptunaSearch):
    """Proposes the trials of a search and tells Optuna how they ended.

    Each proposal joins the folder's plan before it is trained. Trials that a scheduler stopped
    are reported as pruned. Ray 2.60's `OptunaSearch` reports them as complete, with an early value.
    """

    def __init__(self, search: Search, folder: RunFolder) -> None:
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
