"""`python -m study.grid --pack` on a real Ray: a fleet's trials are trials like all others."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from lenet import fleet, training
from study.runs.run_folder import RunFolder
from tests import hparams_tab
from tests.comparison import same
from tests.drivers import kill, wait_for
from tests.integration.grid_runs import DIGITS, progress, records_of, trained_alone
from tests.terminal import unwrapped

NET = (*DIGITS, "--set", "model=2lr", "--set", "batch_size=32")
LONG = (*NET, "--set", "lr=0.1", "--set", "epochs=400", "--seeds", "2", "--pack", "4")
"""Two optimizers and two seeds in one fleet, for some seconds."""


def trials_of(folder):
    return pd.read_parquet(Path(folder) / "trials.parquet").set_index("trial")


@pytest.fixture(scope="module")
def packed(run_grid, tmp_path_factory):
    """Two fleets of four trials each, one of which diverges in each."""
    folder = tmp_path_factory.mktemp("runs") / "packed"
    code = run_grid(
        *NET,
        *("--set", "optimizer=sgd", "--set", "lr=1e20,0.5,0.2,0.1", "--seeds", "2"),
        *("--pack", "5", "--results", str(folder)),
    )
    return folder, code


def test_members_of_a_fleet_are_trials_like_all_others(packed, digits):
    folder, code = packed
    assert code == 0
    trials = trials_of(folder)
    assert trials.status.value_counts().to_dict() == {"finished": 6, "diverged": 2}
    assert trials.fleet.value_counts().to_dict() == {"fleet1": 4, "fleet2": 4}
    assert set(trials.fleet_size) == {4}
    for name in trials.index[trials.status == "finished"]:
        assert same(records_of(folder, name), trained_alone(folder, name, digits), rel=1e-4)
    hparams_tab.check_shows_all_trials(folder)
    board = pd.read_csv(folder / "leaderboard.csv")
    assert board.lr.iloc[-1] == 1e20
    (model,) = folder.glob("trials/*/model.pt")
    assert trials.lr[model.parent.name] == board.lr.iloc[0]


def test_the_plan_has_fleets_and_slots(packed):
    folder, _ = packed
    fleets = {}
    for planned in RunFolder(folder).plan:
        fleets.setdefault(planned.fleet, []).append(planned.slot)
        assert planned.config.seed == {"fleet1": 0, "fleet2": 1}[planned.fleet]
    assert fleets == {"fleet1": [0, 1, 2, 3], "fleet2": [0, 1, 2, 3]}


def fleet_alone(folder, digits):
    """Return the records of each trial of a fleet, trained in this process by a plain loop."""
    plan = sorted(RunFolder(folder).plan, key=lambda planned: planned.slot)
    runs = {training.Run(planned.config, digits): planned.name for planned in plan}
    found = {planned.name: [] for planned in plan}
    for run, record in fleet.train(list(runs)):
        found[runs[run]].append(record)
    return found


@pytest.mark.slow  # 55 s; test_fleet_trial resumes without Ray
def test_a_killed_worker_of_a_fleet_changes_no_digit(grid_command, tmp_path, digits):
    folder = tmp_path / "killed"
    command = [*grid_command, *LONG, "--max-concurrent", "1", "--results", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as driver:
        wait_for(lambda: list(folder.glob("fleets/*.pt")), "a checkpoint of the fleet", driver)
        name = RunFolder(folder).plan[0].name
        os.kill(RunFolder(folder).trial(name).state()["pid"], signal.SIGKILL)
        printed, _ = driver.communicate(timeout=200)
    assert driver.returncode == 0
    assert "fleet1: its worker died; retrying once" in printed
    trials = trials_of(folder)
    assert set(trials.status) == {"finished"}
    assert set(trials.attempts) == {2}
    for trial, curve in fleet_alone(folder, digits).items():
        assert same(records_of(folder, trial), curve)


@pytest.mark.slow  # 30 s
def test_one_bad_member_takes_no_other_down(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    code = run_grid(
        *(*DIGITS, "--set", "model=tests.own_models:FailsToObserve", "--set", "batch_size=64"),
        *("--set", "optimizer=sgd", "--set", "lr=0.1", "--set", "dropout=0,0.5"),
        *("--max-concurrent", "1", "--pack", "2", "--results", str(folder)),
    )
    assert code == 1
    printed = unwrapped(capsys.readouterr().out)
    assert "1 fleet of 2" in printed
    assert "fleet1: RuntimeError: made to fail; retrying once" in printed
    assert "fleet1 failed again (RuntimeError: made to fail): its 2 unfinished trials" in printed
    trials = trials_of(folder).set_index("dropout")
    assert trials.status.to_dict() == {0.0: "finished", 0.5: "failed"}
    assert set(trials.fleet) == {""}
    assert not any(planned.fleet for planned in RunFolder(folder).plan)


@pytest.mark.slow  # 30 s
@pytest.mark.parametrize("fleets", [1, 2])
def test_a_scheduler_stops_members_of_fleets(fleets, run_grid, tmp_path, digits):
    folder = tmp_path / "run"
    rates = "0.5,0.2,0.1,0.05,0.01,0.001,0.0001,0.00001"
    code = run_grid(
        *(*NET, "--set", "optimizer=sgd", "--set", f"lr={rates}", "--set", "epochs=9"),
        *("--scheduler", "asha", "--pack", str(8 // fleets), "--results", str(folder)),
        *("--max-concurrent", str(fleets)),
    )
    assert code == 0
    trials = trials_of(folder)
    assert trials.fleet.nunique() == fleets
    assert set(trials.status) == {"finished", "stopped"}
    stopped = trials[trials.status == "stopped"]
    assert set(stopped.epoch) <= {1.0, 3.0}
    for name in trials.index:
        curve = records_of(folder, name)
        assert same(curve, trained_alone(folder, name, digits)[: len(curve)], rel=1e-4)
    assert not list(folder.glob("fleets/*.pt"))


def test_a_dry_run_says_what_auto_chose_and_why(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    code = run_grid(
        *(*DIGITS, "--set", "model=tests.own_models:Normalized,softmax", "--set", "batch_size=4"),
        *("--set", "optimizer=sgd", "--set", "lr=0.1,0.2,0.3,0.4", "--max-concurrent", "1"),
        *("--pack", "auto", "--dry-run", "--results", str(folder)),
    )
    assert code == 0
    printed = unwrapped(capsys.readouterr().out)
    assert "Normalized, batch 4: 4 alone; it has a buffer (norm.running_mean)" in printed
    assert re.search(r"softmax, batch 4: 1 fleet of 4, \d+\.\d times as fast as alone", printed)
    assert printed.count(" fleet1") == 4
    assert not folder.exists()


@pytest.mark.slow
def test_a_fleet_that_runs_out_of_memory_is_split(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    code = run_grid(
        *(*DIGITS, "--set", "model=tests.own_models:NeedsMuchMemory", "--set", "batch_size=64"),
        *("--set", "optimizer=sgd", "--set", "lr=0.1,0.2,0.3,0.4"),
        *("--max-concurrent", "1", "--pack", "4", "--results", str(folder)),
    )
    assert code == 0
    printed = unwrapped(capsys.readouterr().out)
    assert "fleet1 ran out of memory: its 4 trials go on as fleet2 and fleet3" in printed
    trials = trials_of(folder)
    assert set(trials.status) == {"finished"}
    assert trials.fleet.value_counts().to_dict() == {"fleet2": 2, "fleet3": 2}


@pytest.mark.slow
def test_a_killed_driver_of_fleets_is_resumed(grid_command, run_grid, tmp_path, digits):
    folder = tmp_path / "killed"
    command = [*grid_command, *LONG, "--max-concurrent", "1", "--results", str(folder)]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as driver:
        wait_for(lambda: list(folder.glob("fleets/*.pt")), "a checkpoint of the fleet", driver)
        state = RunFolder(folder).trial(RunFolder(folder).plan[0].name).state()
        kill(driver, state)
    assert progress(folder)[0] == []
    assert run_grid("--resume", str(folder)) == 0
    for trial, curve in fleet_alone(folder, digits).items():
        assert same(records_of(folder, trial), curve)
