"""Callbacks for the members of a fleet, which Ray Tune treats as one trial."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from ray import tune
from ray.exceptions import OutOfMemoryError

from study.tuning.broken_fleets import BrokenFleet
from study.tuning.progress import describe_error, error_of


class MemberTrial:
    """A member of a fleet, with the attributes that callbacks read from one of Tune's trials."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = {"trial": config}
        self.last_result: dict[str, Any] = {}

    def __str__(self) -> str:
        return str(self.config["trial"]["name"])


class UnpackFleets(tune.Callback):
    """A Tune callback that forwards events to other callbacks, once for each member of a fleet.

    `names` are the trials to train: members of a fleet that are not among them were complete
    before. A fleet that fails again after its retry does not make its members fail: it goes into
    `broken`, with its unfinished members.
    """

    def __init__(self, callbacks: Sequence[tune.Callback], names: Collection[str]) -> None:
        self._callbacks = callbacks
        self._names = names
        self._members: dict[str, dict[str, MemberTrial]] = {}
        """unfinished members, by fleet and name"""
        self.broken: dict[str, BrokenFleet] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune pickles callbacks for a restore that this project never makes."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        for callback in self._callbacks:
            callback.on_step_begin(iteration, trials, **info)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for each in self._units(trial):
            for callback in self._callbacks:
                callback.on_trial_start(iteration, trials, each, **info)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if (members := self._of(trial)) is None:
            for callback in self._callbacks:
                callback.on_trial_result(iteration, trials, trial, result, **info)
            return
        for report in result["members"]:
            if (member := members.get(report["name"])) is None:
                continue
            member.last_result = report
            each: Any = member  # stands in for one of Tune's trials
            for callback in self._callbacks:
                callback.on_trial_result(iteration, trials, each, report, **info)
            if report["done"]:
                del members[report["name"]]
                for callback in self._callbacks:
                    callback.on_trial_complete(iteration, trials, each, **info)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Forward a single trial. For a fleet, `on_trial_result` has reported each member."""
        if self._of(trial) is None:
            for callback in self._callbacks:
                callback.on_trial_complete(iteration, trials, trial, **info)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for callback in self._callbacks:
            callback.on_trial_recover(iteration, trials, trial, **info)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if (members := self._of(trial)) is None:
            for callback in self._callbacks:
                callback.on_trial_error(iteration, trials, trial, **info)
        else:
            error = error_of(trial)
            self.broken[str(trial)] = BrokenFleet(
                describe_error(error).splitlines()[0], _is_lack_of_memory(error), list(members)
            )

    def _of(self, trial: Any) -> dict[str, MemberTrial] | None:
        """Return the unfinished members of one of Tune's trials; None if it is a single trial."""
        configs = trial.config["trial"].get("members")
        if configs is None:
            return None
        fleet = str(trial)
        if fleet not in self._members:
            self._members[fleet] = {
                config["name"]: MemberTrial(config)
                for config in configs
                if config["name"] in self._names
            }
        return self._members[fleet]

    def _units(self, trial: Any) -> list[Any]:
        """Return a single trial, or the unfinished members of a fleet."""
        members = self._of(trial)
        return [trial] if members is None else list(members.values())


def _is_lack_of_memory(error: BaseException) -> bool:
    cause = getattr(error, "cause", None) or error
    return isinstance(cause, MemoryError | torch.OutOfMemoryError | OutOfMemoryError)
