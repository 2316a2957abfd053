"""Ray's schedulers, which see each trial of a fleet as if it were one of Tune's trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from lenet.records import Record
from search_spaces.objective import maximized
from study.runs.trial_folder import COMPLETE
from study.tuning.trial import comparable


def make_scheduler(name: str, objective: str) -> TrialScheduler:
    """Create one of Ray's schedulers by its name on the command line: `asha` or `median`."""
    mode = "max" if maximized(objective) else "min"
    if name == "median":
        # From the second epoch on, stops trials that are worse than the median of running means.
        return MedianStoppingRule(
            time_attr="epoch", metric=objective, mode=mode, grace_period=1, min_samples_required=3
        )
    # A third of the trials continues after 1, 3, 9, ... epochs. `max_t` only has to exceed the
    # epochs of any trial.
    return AsyncHyperBandScheduler(
        time_attr="epoch",
        metric=objective,
        mode=mode,
        max_t=1_000_000_000,
        grace_period=1,
        reduction_factor=3,
    )


class PerMember(FIFOScheduler):
    """A Tune scheduler that asks one of Ray's about every trial, whether alone or in a fleet.

    Tune treats a fleet as one trial. This class tells Ray's scheduler about each member what Tune
    would tell it about a trial, so the scheduler decides as if all trials were trained alone. See
    `TuneController._process_trial_result` and `stop_trial` of Ray 2.60. If the scheduler stops a
    member, this class marks the member's report as done. `UnpackFleets` forwards that, and the
    worker drops the member. A member cannot be paused, so it continues where the median rule would
    wait for other trials.
    """

    def __init__(self, scheduler: TrialScheduler) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Any, because Ray declares its own trial and controller classes as arguments, but uses
        # only what `_NamedTrial` and `_NoController` have.
        self._scheduler: Any = scheduler
        self._trials: dict[str, _NamedTrial] = {}
        """trials that have not ended, by name"""
        self._ended: set[str] = set()

    def replay(self, name: str, reports: Sequence[Mapping[str, Any]], status: str) -> None:
        """Repeat to the scheduler what a trial reported in earlier sessions.

        Trials may be replayed in any order, because `on_trial_complete` notes a result and decides
        nothing.
        """
        trial, controller = _NamedTrial(name), _NoController()
        if status == "stopped":  # Tune repeats the report with which it stops a trial
            reports = [*reports, *reports[-1:]]
        for report in reports:
            self._scheduler.on_trial_add(controller, trial)
            self._scheduler.on_trial_complete(controller, trial, dict(report))
        if status in COMPLETE:
            self._ended.add(name)
        else:
            self._scheduler.on_trial_add(controller, trial)
            self._trials[name] = trial

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if not _is_fleet(trial):
            return self._decide(tune_controller, str(trial), result)
        for report in result["members"]:
            self._decide_on_member(tune_controller, report)
        return str(TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        if not _is_fleet(trial):
            self._complete(tune_controller, str(trial), result)
            return
        for report in result["members"]:
            self._decide_on_member(tune_controller, report)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        if named := self._trials.pop(str(trial), None):
            self._scheduler.on_trial_remove(tune_controller, named)

    def _decide_on_member(self, tune_controller: Any, report: dict[str, Any]) -> None:
        """Handle a member's report, and mark it as done if the scheduler stops the member."""
        name = report["name"]
        if name in self._ended:  # reported once more by the worker that retries the fleet
            return
        if not report["done"]:
            action = self._decide(tune_controller, name, report)
            report["done"] = action == TrialScheduler.STOP
        if report["done"]:
            self._complete(tune_controller, name, report)

    def _decide(self, tune_controller: Any, name: str, result: dict[str, Any]) -> str:
        trial = self._trial(tune_controller, name)
        return str(self._scheduler.on_trial_result(tune_controller, trial, result))

    def _complete(self, tune_controller: Any, name: str, result: dict[str, Any]) -> None:
        trial = self._trial(tune_controller, name)
        self._scheduler.on_trial_complete(tune_controller, trial, result)
        del self._trials[name]
        self._ended.add(name)

    def _trial(self, tune_controller: Any, name: str) -> _NamedTrial:
        if name not in self._trials:
            self._trials[name] = _NamedTrial(name)
            self._scheduler.on_trial_add(tune_controller, self._trials[name])
        return self._trials[name]


class _NamedTrial:
    """A trial as Ray's schedulers see it. Tune's own ids would differ from session to session."""

    def __init__(self, name: str) -> None:
        self.trial_id = name

    def __str__(self) -> str:
        return self.trial_id


class _NoController:
    """A stand-in for Tune's controller before Tune runs, as far as Ray's schedulers use it."""

    def get_live_trials(self) -> list[Any]:
        return []


def reports_of(records: Sequence[Record], objective: str) -> list[dict[str, Any]]:
    """Return the reports that a scheduler has received from a trial with these records."""
    return [
        {"epoch": record.epoch, objective: comparable(records[: number + 1], objective)}
        for number, record in enumerate(records)
    ]


def _is_fleet(trial: Any) -> bool:
    return "members" in trial.config["trial"]
