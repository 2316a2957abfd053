"""Schedulers decide on the members of fleets as Ray's own decide on single trials."""

import pytest
from ray.tune.schedulers import TrialScheduler

from lenet.records import Record
from study.tuning.member_scheduler import PerMember, make_scheduler, reports_of
from tests.runs import record

OBJECTIVE = "validation_accuracy"
EPOCHS = 9
NAMES = [f"trial{n}" for n in range(12)]
ACCURACIES = {
    name: [0.02 * ((7 * n + 5 * epoch) % 12) + 0.05 * epoch for epoch in range(EPOCHS)]
    for n, name in enumerate(NAMES)
}
"""Curves that cross each other again and again."""


class Controller:
    """What the schedulers read of Tune's controller: no trial waits."""

    def get_live_trials(self):
        return []


class TuneTrial:
    def __init__(self, name, members=None):
        self.trial_id = name
        self.config = {"trial": {"name": name} | ({"members": members} if members else {})}

    def __str__(self):
        return self.trial_id


def report(name, epoch):
    return {
        "name": name,
        "epoch": float(epoch),
        OBJECTIVE: ACCURACIES[name][epoch - 1],
        "done": epoch == EPOCHS,
    }


def of_tune(name):
    """Return when Ray's scheduler stops single trials, and the scheduler.

    They report in turn, and it is called as Tune's controller calls it (Ray 2.60).
    """
    scheduler, stopped = make_scheduler(name, OBJECTIVE), {}
    trials = {name: TuneTrial(name) for name in NAMES}
    for trial in trials.values():
        scheduler.on_trial_add(Controller(), trial)
    for epoch in range(1, EPOCHS + 1):
        for trial_name in NAMES:
            if trial_name in stopped:
                continue
            trial, result = trials[trial_name], report(trial_name, epoch)
            if not result["done"]:
                action = scheduler.on_trial_result(Controller(), trial, result)
                if action == TrialScheduler.STOP:
                    stopped[trial_name] = epoch
            if result["done"] or trial_name in stopped:
                scheduler.on_trial_complete(Controller(), trial, result)
    return stopped, scheduler


def train_fleets(scheduler, stopped, epochs, size=5):
    """Report the epochs of fleets of `size` in turn, and note when members are stopped."""
    fleets = [NAMES[start : start + size] for start in range(0, len(NAMES), size)]
    for epoch in epochs:
        for number, members in enumerate(fleets):
            trial = TuneTrial(f"fleet{number}", members)
            reports = [report(name, epoch) for name in members if name not in stopped]
            result = {"members": reports, "done": epoch == EPOCHS}
            if result["done"]:
                scheduler.on_trial_complete(Controller(), trial, result)
            else:
                action = scheduler.on_trial_result(Controller(), trial, result)
                assert action == TrialScheduler.CONTINUE
            for one in reports:
                if one["done"] and epoch < EPOCHS:
                    stopped[one["name"]] = epoch


def memory(scheduler):
    """Return what Ray's scheduler has noted, by the names of trials (Ray 2.60)."""
    if hasattr(scheduler, "_brackets"):
        return [bracket._rungs for bracket in scheduler._brackets]
    results = {
        str(trial): [(one["epoch"], one[OBJECTIVE]) for one in results]
        for trial, results in scheduler._results.items()
    }
    return results, {str(trial) for trial in scheduler._stopped_trials}


@pytest.mark.parametrize("name", ["asha", "median"])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_members_are_stopped_when_ray_stops_single_trials(name, size):
    expected, of_ray = of_tune(name)
    scheduler, stopped = PerMember(make_scheduler(name, OBJECTIVE)), {}
    train_fleets(scheduler, stopped, range(1, EPOCHS + 1), size)
    assert stopped == expected
    assert 3 <= len(stopped) < len(NAMES)
    assert memory(scheduler._scheduler) == memory(of_ray)


@pytest.mark.parametrize("name", ["asha", "median"])
def test_single_trials_are_stopped_when_ray_stops_them(name):
    expected, of_ray = of_tune(name)
    scheduler, stopped = PerMember(make_scheduler(name, OBJECTIVE)), {}
    for epoch in range(1, EPOCHS + 1):
        for trial_name in NAMES:
            trial, result = TuneTrial(trial_name), report(trial_name, epoch)
            if trial_name in stopped:
                continue
            if not result["done"]:
                action = scheduler.on_trial_result(Controller(), trial, result)
                if action == TrialScheduler.STOP:
                    stopped[trial_name] = epoch
            if result["done"] or trial_name in stopped:
                scheduler.on_trial_complete(Controller(), trial, result)
    assert stopped == expected
    assert memory(scheduler._scheduler) == memory(of_ray)


def records_until(name, epochs) -> list[Record]:
    curve = ACCURACIES[name][:epochs]
    return [record(10 * number, accuracy) for number, accuracy in enumerate(curve, 1)]


@pytest.mark.parametrize("name", ["asha", "median"])
@pytest.mark.parametrize("epochs", [1, 4, 8])
def test_a_resumed_scheduler_knows_what_trials_have_reported(name, epochs):
    expected, of_ray = of_tune(name)
    first, stopped = PerMember(make_scheduler(name, OBJECTIVE)), {}
    train_fleets(first, stopped, range(1, epochs + 1))
    resumed = PerMember(make_scheduler(name, OBJECTIVE))
    for trial in reversed(NAMES):
        records = records_until(trial, stopped.get(trial, epochs))
        status = "stopped" if trial in stopped else "running"
        resumed.replay(trial, reports_of(records, OBJECTIVE), status)
    train_fleets(resumed, stopped, range(epochs + 1, EPOCHS + 1))
    assert stopped == expected
    if name == "asha":
        assert memory(resumed._scheduler) == memory(of_ray)
    else:
        assert memory(resumed._scheduler)[0] == memory(of_ray)[0]


def test_a_report_of_a_member_that_has_ended_counts_once():
    scheduler = PerMember(make_scheduler("median", OBJECTIVE))
    last = {"members": [report(NAMES[0], EPOCHS)]}
    for _ in range(2):  # the worker of the retried fleet cannot know what the driver has heard
        scheduler.on_trial_result(Controller(), TuneTrial("fleet1", NAMES), last)
    assert len(memory(scheduler._scheduler)[0][NAMES[0]]) == 1
