"""What one sees while trials run."""

import io
import time

import pytest
from rich.console import Console

from study.cluster.estimate import clock
from study.tuning import progress
from study.tuning.progress import ProgressCallback


@pytest.fixture
def moment(monkeypatch):
    """The time, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def result(step, accuracy=0.5, begun_at=0):
    return {
        "step": step,
        "begun_at": begun_at,
        "evaluated": True,
        "total_steps": 100,
        "lacks_gpu": "",
        "epoch": step / 10,
        "validation_accuracy": accuracy,
    }


def followed(page, names, **more):
    console = Console(file=page, width=200)
    return ProgressCallback(
        console,
        dict.fromkeys(names, 60.0),
        **{"objective": "validation_accuracy", "already_done": 0, **more},
    )


def test_a_line_now_and_then_where_there_is_no_terminal(moment):
    page = io.StringIO()
    seen = followed(page, ["a", "b"], already_done=3)
    seen.on_trial_start(0, [], "a")
    seen.on_trial_result(0, [], "a", result(10, 0.7))
    assert page.getvalue() == ""  # a moment after the start nothing needs to be said
    moment[0] += 20
    seen.on_trial_result(0, [], "a", result(20, 0.6))
    # 6 s of expected work took 20 s; 48 + 60 are left.
    assert page.getvalue() == (
        "3 of 5 trials done, 1 running, 6:00 left, best so far 70.00 % validation accuracy (a)\n"
    )


def test_trials_that_end_early_leave_no_work(moment):
    page = io.StringIO()
    seen = followed(page, ["a", "b"])
    seen.on_trial_result(0, [], "a", result(10))
    moment[0] += 20
    seen.on_trial_complete(0, [], "a")
    moment[0] += 20
    seen.on_trial_result(0, [], "b", result(10))
    assert "1 of 2 trials done" in page.getvalue()
    assert "6:00 left" in page.getvalue().splitlines()[-1]  # 54 s of work, 6 in 40 s


def test_what_a_resumed_trial_had_done_is_not_taken_for_speed(moment):
    page = io.StringIO()
    seen = followed(page, ["a"])
    seen.on_trial_result(0, [], "a", result(80, begun_at=70))
    moment[0] += 20
    seen.on_trial_result(0, [], "a", result(90, begun_at=70))
    assert "0:20 left" in page.getvalue()


def test_a_gpu_that_torch_does_not_see_is_said_once_a_machine(moment):
    page = io.StringIO()
    seen = followed(page, ["a", "b", "c"])
    for name, host in (("a", "old"), ("b", "old"), ("c", "")):
        seen.on_trial_result(0, [], name, result(10) | {"lacks_gpu": host})
    assert page.getvalue().count("trials on old were granted a GPU, but torch sees none") == 1
    assert page.getvalue().count("\n") == 1


def test_failures_are_counted(moment):
    page = io.StringIO()
    seen = followed(page, ["a", "b"])
    moment[0] += 20
    seen.on_trial_error(0, [], "a")
    assert "1 of 2 trials done, 1 failed" in page.getvalue()


def test_a_terminal_gets_a_panel():
    page = io.StringIO()
    console = Console(file=page, width=120, force_terminal=True)
    with ProgressCallback(
        console, {"a": 60.0}, objective="validation_accuracy", already_done=0
    ) as seen:
        seen.on_trial_result(0, [], "a", result(10, 0.7))
        time.sleep(0.4)
    assert "a: epoch 1, 70.00 % validation accuracy" in page.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (42, "0:42"), (725, "12:05"), (11250, "3:07:30")]
)
def test_durations(seconds, text):
    assert clock(seconds) == text
