"""Nothing that takes long is silent, and a launch that hangs ends."""

import io
import signal
import threading
import time

import pytest
from rich.console import Console

from study import waiting as module
from study.runs.run_folder import RunFolder
from study.scaling import launchers as launching
from study.scaling.launchers import Launchers
from study.scaling.plan import ScalingRequest
from study.waiting import waiting
from tests.runs import metadata

HOSTILE = "[/old] :smile:"


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LINES", 0.05)
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LOOKS", 0.05)


def test_a_pipe_gets_a_line_at_the_start_and_now_and_then():
    page = io.StringIO()
    console = Console(file=page, width=80, markup=False, emoji=False)
    with waiting(console, f"Starting {HOSTILE}"):
        assert page.getvalue() == f"Starting {HOSTILE} ...\n"
        time.sleep(0.3)
    lines = page.getvalue().splitlines()[1:]
    assert len(lines) >= 2
    assert all(line.startswith(f"  Starting {HOSTILE}, ") for line in lines)
    time.sleep(0.2)
    assert page.getvalue().splitlines()[1:] == lines


def test_a_terminal_gets_a_clock_that_disappears():
    page = io.StringIO()
    console = Console(file=page, width=80, markup=False, emoji=False, force_terminal=True)
    with waiting(console, "Starting Ray", now=lambda: HOSTILE):
        time.sleep(0.5)
    assert f"Starting Ray: {HOSTILE} " in page.getvalue()
    assert page.getvalue().endswith("\x1b[2K")


@pytest.fixture
def launchers(tmp_path, monkeypatch):
    request = ScalingRequest(
        study="fan-hardware",
        budget="smoke",
        repeats=1,
        choices={},
        workers={"cpu": [1]},
        weak=False,
        launchers=["plain"],
        strategies=["ddp"],
        cpus_per_worker=1.0,
        placement="pack",
    )
    launches = request.launches()
    folder = RunFolder.create(tmp_path / "run", metadata("fan-hardware"), launches[0].points)
    page = io.StringIO()
    made = Launchers(
        request,
        folder,
        data_dir=None,
        address=None,
        nodes=[],
        oversubscribed={"cpu": {1: False}},
        datasets={},
        longest_seconds=0.0,
        console=Console(file=page, width=200, markup=False, emoji=False),
    )
    monkeypatch.setattr(launching, "_STALL_TIMEOUT", 0.3)
    return made, launches, folder, page


def test_a_launch_that_hangs_fails_and_says_what_it_waited_for(launchers, monkeypatch, ctrl_c):
    made, launches, folder, page = launchers
    monkeypatch.setattr(made, "_run", lambda _: threading.Event().wait(60))
    assert made.train(launches, ray_seconds=0.0)
    error = "no progress for 0:00 while waiting for 1 worker to start"
    assert folder.trial(launches[0].points[0].name).state()["error"] == error
    assert f"1 of 1 run in 0.3 s, including start-up failed: {error}" in page.getvalue()
    assert "  waiting for 1 worker to start, 0 s so far\n" in page.getvalue()


def test_a_launch_that_moves_goes_on_and_ctrl_c_still_ends_it(launchers, monkeypatch, ctrl_c):
    made, launches, folder, _ = launchers
    trial = folder.trial(launches[0].points[0].name)

    def begin_again(_):
        for _ in range(8):
            trial.begin({})
            time.sleep(0.1)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(made, "_run", begin_again)
    with pytest.raises(KeyboardInterrupt):
        made.train(launches, ray_seconds=0.0)
    assert trial.state()["attempts"] == 8
