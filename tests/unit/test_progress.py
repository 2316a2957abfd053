"""The progress of running trials, as the terminal shows it."""

import io

import pytest
from ray.exceptions import RayTaskError
from rich.console import Console

from study.analysis.wording import format_duration
from study.tuning import progress
from study.tuning.progress import ProgressCallback, describe_error


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock in seconds, a list of one that a test changes."""
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


def callback(page, names, **more):
    console = Console(file=page, width=200)
    return ProgressCallback(
        console,
        dict.fromkeys(names, 60.0),
        **{
            "objective": "validation_accuracy",
            "complete": 0,
            "at_once": 1,
            **more,
        },
    )


def test_without_a_terminal_a_line_is_printed_now_and_then(clock):
    page = io.StringIO()
    shown = callback(page, ["a", "b"], complete=3)
    shown.on_trial_start(0, [], "a")
    shown.on_trial_result(0, [], "a", result(10, 0.7))
    assert page.getvalue() == ""  # right after the start there is nothing to report
    clock[0] += 20
    shown.on_trial_result(0, [], "a", result(20, 0.6))
    # 6 s of expected work took 20 s, and 60 s of it are expected to take 60; 48 + 60 s remain.
    assert page.getvalue() == (
        "3 of 5 trials done, 1 running, 2:11 left, best so far 70.00 % validation accuracy (a)\n"
    )


def test_a_trial_that_ends_early_leaves_no_work(clock):
    page = io.StringIO()
    shown = callback(page, ["a", "b"])
    shown.on_trial_result(0, [], "a", result(10))
    clock[0] += 20
    shown.on_trial_complete(0, [], "a")
    clock[0] += 20
    shown.on_trial_result(0, [], "b", result(10))
    assert "1 of 2 trials done" in page.getvalue()
    assert "1:22 left" in page.getvalue().splitlines()[-1]  # 54 s of work; 60 + 6 in 60 + 40 s


def test_the_steps_before_a_resume_do_not_count_as_speed(clock):
    page = io.StringIO()
    shown = callback(page, ["a"])
    shown.on_trial_result(0, [], "a", result(80, begun_at=70))
    clock[0] += 20
    shown.on_trial_result(0, [], "a", result(90, begun_at=70))
    assert "0:07 left" in page.getvalue()  # 6 s of work; 60 + 6 in 60 + 20 s


def test_before_the_first_record_the_time_left_is_the_estimate(clock):
    page = io.StringIO()
    shown = callback(page, ["a", "b", "c"], at_once=2)
    clock[0] += 20
    shown.on_trial_start(0, [], "a")
    shown.on_trial_start(0, [], "b")
    assert "0 of 3 trials done, 1 running, 1:30 left" in page.getvalue()
    shown.on_trial_result(0, [], "a", result(20))
    shown.on_trial_result(0, [], "b", result(20))  # as long before as the first
    clock[0] += 20
    shown.on_trial_result(0, [], "a", result(20))
    assert "1:44 left" in page.getvalue()  # 156 s of work; 120 + 0 in 60 + 20 s


def test_a_retry_takes_nothing_from_the_work_that_was_done(clock):
    page = io.StringIO()
    shown = callback(page, ["a"])
    shown.on_trial_result(0, [], "a", result(50))
    clock[0] += 60
    shown.on_trial_result(0, [], "a", result(70))
    clock[0] += 30
    shown.on_trial_result(0, [], "a", result(80, begun_at=70))
    # 12 s of work remain; 12 + 6 were done in 90 s, and 60 were expected in 60.
    assert "0:23 left" in page.getvalue().splitlines()[-1]


def test_a_gpu_that_torch_does_not_see_is_noted_once_per_machine(clock):
    page = io.StringIO()
    shown = callback(page, ["a", "b", "c"])
    for name, host in (("a", "old"), ("b", "old"), ("c", "")):
        shown.on_trial_result(0, [], name, result(10) | {"lacks_gpu": host})
    assert "Ray granted trials on old a GPU, but torch sees none there." in page.getvalue()
    assert page.getvalue().count("Note:") == 1
    assert page.getvalue().count("\n") == 1


def test_failures_are_counted(clock):
    page = io.StringIO()
    shown = callback(page, ["a", "b"])
    clock[0] += 20
    shown.on_trial_error(0, [], "a")
    assert "1 of 2 trials done, 1 failed" in page.getvalue()


def test_a_terminal_gets_a_panel():
    page = io.StringIO()
    console = Console(file=page, width=120, force_terminal=True)
    with ProgressCallback(
        console, {"a": 60.0}, objective="validation_accuracy", complete=0, at_once=1
    ) as shown:
        shown.on_trial_result(0, [], "a", result(10, 0.7))
    assert "a: epoch 1, 70.00 % validation accuracy" in page.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (42, "0:42"), (725, "12:05"), (11250, "3:07:30")]
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("cause", "description"),
    [
        (
            RuntimeError("Error(s) in \x1b[31mloading\x1b[0m LeNet:\n\n\tsize mismatch for weight"),
            "RuntimeError: Error(s) in loading LeNet:\n\tsize mismatch for weight",
        ),
        (ValueError(), "ValueError"),
    ],
)
def test_an_error_is_described_by_type_and_message(cause, description):
    raised = RayTaskError("step", "\x1b[36mray::Trial.step()\x1b[39m\nTraceback ...", cause)
    assert describe_error(raised) == description
    assert describe_error(cause) == description
