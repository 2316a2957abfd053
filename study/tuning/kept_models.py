"""A callback that keeps the best trials' models and deletes the others."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ray import tune

from lenet.records import last_finite
from search_spaces.objective import maximized, tie_order
from search_spaces.search_names import confirmed_number
from search_spaces.study import PlannedTrial
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import TrialFolder

ModelRank = tuple[float, tuple[Any, ...], str]
"""Sort key of a trial; the lowest keeps its model. It holds the objective (negated if higher is
better), the order of ties, and the trial's name."""


def model_rank(objective: str, value: float, settings: Mapping[str, Any], name: str) -> ModelRank:
    """Return the rank of the trial `name`, whose objective is `value`. The lowest rank wins."""
    return (-value if maximized(objective) else value, tie_order(settings), name)


class KeepBestModel(tune.Callback):
    """A Tune callback that keeps one trained model per data set: the best trial's.

    A search also keeps one of each setting that it confirms, because its best trial may be lucky.
    Among equal trials, the first by `tie_order` wins. A trial that diverged, failed or was stopped
    has no trained model. Neither has a trial that lost to another of its fleet when both ended.
    The driver deletes a loser's model as soon as its trial ends, so a run of a thousand trials
    needs room for few models.
    """

    def __init__(self, folder: RunFolder, objective: str) -> None:
        self._folder = folder
        self._objective = objective
        self._best: dict[tuple[str, int | None], ModelRank] = {}
        """by data set and number of the confirmed point"""
        for planned, value in folder.map_trials(self._measure):
            if value is not None:
                self._offer(planned.config.to_dict(), value, planned.name)

    def _measure(
        self, planned: PlannedTrial, trial: TrialFolder
    ) -> tuple[PlannedTrial, float | None]:
        """Return a trial and its objective, None if the trial has no model."""
        has_model = trial.has_model()
        return planned, last_finite(trial.records(), self._objective) if has_model else None

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Compare the model of a trial that has ended with the best so far."""
        result = trial.last_result
        has_model = self._folder.trial(str(trial)).has_model()  # a reused trial may have none
        if result["ended_by_itself"] and not result["diverged"] and has_model:
            settings = trial.config["trial"]["settings"]
            self._offer(settings, result[self._objective], str(trial))

    def _offer(self, settings: Mapping[str, Any], value: float, name: str) -> None:
        rivals = settings["dataset"], confirmed_number(name)
        offered = model_rank(self._objective, value, settings, name)
        best = self._best.get(rivals, offered)
        self._best[rivals] = min(best, offered)
        loser = max(best, offered)[-1]
        if loser != self._best[rivals][-1]:
            # A loser's model that cannot be deleted takes room but does no harm.
            with contextlib.suppress(OSError):
                self._folder.trial(loser).delete_model()
