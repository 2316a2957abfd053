"""What hands trials to Ray Tune: a plan in its order, or Optuna's proposals."""

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

from search_spaces.study import Planned, maximized
from study.analysis.search import quiet, trial_name
from study.runs.run_folder import RunFolder
from study.tuning import databases
from study.tuning.search import Search, propose


def as_tune_has_it(planned: Planned) -> dict[str, Any]:
    """The config of a trial of Tune (see `Trial`)."""
    return {"trial": {"name": planned.name, "settings": planned.config.to_dict()}}


class InOrder(Searcher):
    """The trials of a plan, one after the other. Tune's own grid search copies the whole grid for
    every trial."""

    def __init__(self, plan: Sequence[Planned]) -> None:
        super().__init__()
        self._left = iter(plan)

    def suggest(self, trial_id: str) -> Any:
        planned = next(self._left, None)
        return Searcher.FINISHED if planned is None else as_tune_has_it(planned)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: what comes next does not depend on it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the folder holds all that a resumed run needs."""
        Path(checkpoint_path).write_bytes(b"")


class Suggester(OptunaSearch):
    """Proposes the trials of a search, and tells Optuna how they ended.

    What is proposed is planned in the folder before it is trained. Trials that a scheduler
    stopped are told as pruned, not as complete with an early value.
    """

    def __init__(self, search: Search, folder: RunFolder) -> None:
        assert search.study is not None
        several = len(search.objectives) > 1
        modes = ["max" if maximized(name) else "min" for name in search.objectives]
        with quiet():
            super().__init__(
                lambda trial: propose(search.space, trial),
                metric=list(search.objectives) if several else search.objectives[0],
                mode=modes if several else modes[0],
                sampler=search.study.sampler,
                study_name=search.study_name,
                storage=search.study._storage,
            )
        self._search = search
        self._study = search.study
        self._folder = folder
        self._pending = list(search.pending)
        self._ends = math.inf if search.seconds is None else time.monotonic() + search.seconds
        self._names: dict[str, Planned] = {}
        self.timed_out = False
        self.broken: OSError | None = None
        """why nothing more can be proposed, if it is so"""

    @property
    def begun(self) -> list[str]:
        """The names of the trials that were handed out."""
        return [planned.name for planned in self._names.values()]

    def suggest(self, trial_id: str) -> Any:
        if self.broken:
            return Searcher.FINISHED
        if time.monotonic() > self._ends:
            self.timed_out = True
            return Searcher.FINISHED
        try:
            with databases.losses():
                planned = self._next(trial_id)
        except OSError as error:
            self.broken = error
            return Searcher.FINISHED
        self._names[trial_id] = planned
        return as_tune_has_it(planned)

    def _next(self, trial_id: str) -> Planned:
        if self._pending:
            number, planned = self._pending.pop(0)
            known = self._study.get_trials(deepcopy=False)[number]
            self._ot_trials[trial_id] = optuna.trial.Trial(self._study, known._trial_id)
            return planned
        with quiet():
            values = super().suggest(trial_id)
        config = self._search.config(values or {})
        number = self._ot_trials[trial_id].number
        planned = Planned(name=trial_name(number, config), config=config)
        # In this order: no trial is planned that a database brought elsewhere does not know.
        self._folder.keep_database()
        self._folder.extend([planned])
        return planned

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: a trial is told with its whole curve, once it has ended."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if error:  # Optuna is to learn nothing of it: a resumed run trains it again
            return
        number = self._ot_trials[trial_id].number
        stopped = result is not None and not result["ended_by_itself"]
        # A trial is no worse for what does not listen: it is told when resumed.
        try:
            records = self._folder.trial(self._names[trial_id].name).records()
            with contextlib.suppress(optuna.exceptions.StorageInternalError):
                self._search.tell(number, records, stopped=stopped)
                self._folder.keep_database()
        except OSError as away:
            self.broken = away

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the database and the folder hold all that a resumed search needs."""
        Path(checkpoint_path).write_bytes(b"")
