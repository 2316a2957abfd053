"""The Python API on a real Ray: Ctrl-C in a notebook, and every kind of job."""

import signal
import subprocess
import sys

import pandas as pd
import pytest

from search_spaces.study import Grid, Study
from study import api
from tests.drivers import wait_for
from tests.integration.grid_runs import progress
from tests.terminal import unwrapped

_NOTEBOOK = """
import signal, sys
from study import api

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a kernel
settings = {"dataset": "digits", "optimizer": "adam", "lr": 0.001, "epochs": 500}
job = api.grid(
    budget="smoke", settings=settings, pack="off", results=sys.argv[1],
    resources=api.ResourceRequest(max_concurrent=2),
)
try:
    job.run()
except KeyboardInterrupt:
    print("interrupted, and the kernel lives")
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
"""

SMALL = {"dataset": "digits", "train_samples": 200, "epochs": 1}


@pytest.fixture(autouse=True)
def _on_the_ray_of_the_tests(ray_address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", ray_address)


@pytest.mark.slow
def test_ctrl_c_in_a_notebook_leaves_a_run_to_resume(tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-c", _NOTEBOOK, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel:
        wait_for(lambda: progress(folder)[1], "a trial with a checkpoint", kernel)
        kernel.send_signal(signal.SIGINT)
        printed, _ = kernel.communicate(timeout=100)
    assert kernel.returncode == 0
    assert "python -m study.grid --resume" in unwrapped(printed)
    assert printed.endswith("interrupted, and the kernel lives\n")
    assert not api.load(folder).is_complete
    trials = pd.read_parquet(folder / "trials.parquet")
    assert "unfinished" in set(trials["status"])
    assert api.resume(folder).plan().count == (trials["status"] == "unfinished").sum()


@pytest.mark.slow
def test_every_job_runs(tmp_path):
    search = api.search(
        trials=3,
        confirm=(1, 2),
        budget="smoke",
        settings={**SMALL, "lr": "0.01..1", "optimizer": "sgd"},
        results=tmp_path / "search",
    )
    assert str(search.plan()).startswith("3 trials, then up to 2 more, about ")
    found = search.run(quiet=True)
    assert len(found.trials) == 5
    assert 0.01 <= found.best["lr"] <= 1
    assert found.figure("history")
    more = api.resume(found.place, trials=4).run(quiet=True)
    assert len(more.trials) >= 6

    ramps = api.lr_range(
        seeds=1,
        budget="smoke",
        settings={"dataset": "digits", "optimizer": "sgd"},
        verify=True,
        verify_epochs=1,
        results=tmp_path / "ramps",
    ).run(quiet=True)
    assert len(ramps.trials) > 1
    assert ramps.is_complete

    scaling = api.scaling(
        workers=[1, 2],
        budget="smoke",
        settings={**SMALL, "model": "4ls"},
        devices="cpu",  # the cluster of earlier tests may have a made-up GPU
        results=tmp_path / "scaling",
    ).run(quiet=True)
    assert set(scaling.trials["workers"]) == {1, 2}
    assert scaling.leaderboard.empty
    with pytest.raises(api.ConfigError, match="no point to rank"):
        _ = scaling.best


def test_a_study_that_is_an_object_is_trained_and_reported_elsewhere(tmp_path, capsys):
    study = Study(
        name="mine",
        question="Does it work?",
        source="a test",
        fixed={**SMALL, "model": "softmax", "optimizer": "sgd"},
        grids=(Grid(space={"lr": (0.1, 0.01)}),),
        budgets={"smoke": {}},
    )
    run = api.grid(study, budget="smoke", results=tmp_path / "run").run()
    printed = capsys.readouterr().out
    assert "mine: Does it work?" in printed
    assert "object:" not in printed
    assert "again, type" not in printed  # no command can name the study
    assert run.is_complete
    assert "object:" not in run.page.read_text("utf-8")
    command = [sys.executable, "-m", "study.report", run.place]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Your study is not here" not in elsewhere.stdout
    resumed = api.resume(run.place)
    assert resumed.plan().count == 0
