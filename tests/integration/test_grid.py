"""`python -m study.grid` on a real Ray: from the command to the figures, also if a process dies."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lenet import TrainConfig, trained, training
from study.report import __main__ as report
from study.runs.run_folder import RunFolder
from study.tuning.execution import TuningEngine
from tests import hparams_tab
from tests.comparison import same
from tests.drivers import descendants, kill, wait_for
from tests.integration.grid_runs import DIGITS, LONG, progress, records_of, trained_alone
from tests.terminal import unwrapped

OWN = "tests.own_models"


def statuses(folder):
    return pd.read_parquet(Path(folder) / "trials.parquet").set_index("trial").status


@pytest.fixture(scope="module")
def finished(run_grid, tmp_path_factory):
    """A grid of four trials, two of which diverge."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    code = run_grid(
        *DIGITS,
        *("--set", "optimizer=sgd", "--set", "lr=1e6,0.1", "--set", "batch_size=32,64"),
        *("--results", str(folder)),
    )
    return folder, code


def test_a_grid_from_command_to_figures(finished):
    folder, code = finished
    assert code == 0
    for name in ("records.parquet", "records.csv", "trials.parquet", "trials.csv"):
        assert (folder / name).stat().st_size > 0
    figures = sorted(path.name for path in (folder / "figures").iterdir())
    for name in ("curves.png", "curves-by-setting.svg", "heat-map.pdf", "final-values.png"):
        assert name in figures
    assert not any(name.startswith("figure") for name in figures)  # other values than the report's
    hparams_tab.check_shows_all_trials(folder)
    (model,) = folder.glob("trials/*/model.pt")
    best = pd.read_csv(folder / "best_per_optimizer.csv").iloc[0]
    _, config = trained.load(model)
    assert (config.lr, config.batch_size) == (best["lr"], best["batch_size"])


def test_divergence_is_marked_and_ranks_last(finished):
    folder, _ = finished
    found = statuses(folder)
    assert sorted(found) == ["diverged", "diverged", "finished", "finished"]
    assert all("lr1000000.0" in trial for trial in found.index[found == "diverged"])
    board = pd.read_csv(folder / "leaderboard.csv")
    assert board.lr.tolist()[-2:] == [1e6, 1e6]


def test_a_trial_gives_the_records_of_a_plain_loop(finished, digits):
    folder, _ = finished
    for trial in ("sgd_lr0.1_batch32_seed0", "sgd_lr0.1_batch64_seed0"):
        assert same(records_of(folder, trial), trained_alone(folder, trial, digits))


@pytest.mark.slow  # 20 s
def test_four_trials_share_a_gpu_at_once(run_grid, tmp_path):
    folder = tmp_path / "run"
    code = run_grid(
        *DIGITS,
        *("--set", "model=tests.own_models:MeetsThreeOthers", "--set", "batch_size=256"),
        *("--set", "optimizer=sgd,adam", "--set", "lr=0.1,0.01"),
        *("--gpus-per-trial", "0.25", "--max-concurrent", "4", "--results", str(folder)),
    )
    assert code == 0  # else they would have waited for each other in vain
    assert set(statuses(folder)) == {"finished"}
    # The GPU is only a logical one. The driver cannot know that, but the trials record it.
    assert RunFolder(folder).run.device.startswith("GPUs of the cluster")
    assert pd.read_parquet(folder / "trials.parquet").device.str.startswith("cpu").all()


def test_the_report_draws_the_same_figures(finished, tmp_path, capsys):
    folder, _ = finished
    assert report.main([str(folder), "--out", str(tmp_path)]) == 0
    again = (tmp_path / "figures" / "final-values.svg").read_bytes()
    assert again == (folder / "figures" / "final-values.svg").read_bytes()
    assert "sgd" in unwrapped(capsys.readouterr().out)


def test_a_finished_run_is_not_trained_again(finished, run_grid, capsys):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")}
    assert run_grid("--resume", str(folder)) == 0
    assert "All 4 trials" in unwrapped(capsys.readouterr().out)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")} == before


def test_a_taken_folder_is_refused(finished, run_grid, capsys):
    folder, _ = finished
    assert run_grid(*DIGITS, "--results", str(folder)) == 2
    assert f"--resume {folder}" in capsys.readouterr().err


@pytest.fixture(scope="module")
def killed_driver(grid_command, run_grid, tmp_path_factory):
    """A run whose driver was killed and that was resumed.

    Its folder, the trials that were complete and those that were running when it was killed, the
    records of both at that moment, and the exit code of the resumed run.
    """
    folder = tmp_path_factory.mktemp("runs") / "killed"
    command = [
        *grid_command,
        *LONG,
        "--set",
        "epochs=6",
        "--max-concurrent",
        "2",
        "--results",
        str(folder),
    ]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as driver:
        wait_for(lambda: all(progress(folder)), "a complete trial and a running one", driver)
        kill(driver, *RunFolder(folder).map_trials(lambda _, trial: trial.state()))
    complete, running = progress(folder)
    before = {name: records_of(folder, name) for name in complete + running}
    code = run_grid("--resume", str(folder))
    return folder, complete, running, before, code


def test_a_killed_driver_is_resumed(killed_driver, digits):
    folder, complete, running, _, code = killed_driver
    assert code == 0
    assert set(statuses(folder)) == {"finished"}
    trials = pd.read_parquet(folder / "trials.parquet").set_index("trial")
    assert set(trials.attempts[complete]) == {1}  # no finished trial was repeated
    assert running
    for name in statuses(folder).index:
        assert same(records_of(folder, name), trained_alone(folder, name, digits))


def test_a_running_trial_repeats_at_most_one_epoch(killed_driver):
    folder, _, running, before, _ = killed_driver
    for name in running:
        # A record that was trained again has other seconds.
        again = {record.train_seconds for record in records_of(folder, name)}
        repeated = [record for record in before[name] if record.train_seconds not in again]
        assert len(repeated) <= 1


def test_a_resumed_run_notes_other_resources(killed_driver, grid_command, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(killed_driver[0], folder)
    trial = RunFolder(folder).trial(RunFolder(folder).plan[0].name)
    (trial.home / "trial.json").delete()
    command = [*grid_command, "--resume", str(folder), "--cpus-per-trial", "2", "--dry-run"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    notes = unwrapped(printed)
    assert "began with cpus_per_trial 1.0 and continues with 2.0: records may differ" in notes
    assert "2 CPU and 0.25 GPU each" in notes


@pytest.mark.slow  # below, a worker dies in the same way, and a resumed run has equal records
def test_a_killed_worker_is_retried(grid_command, tmp_path, digits):
    folder = tmp_path / "run"
    command = [
        *grid_command,
        *LONG,
        "--set",
        "epochs=12",
        "--set",
        "batch_size=32,64",
        "--results",
        str(folder),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as driver:
        wait_for(lambda: progress(folder)[1], "a trial with a checkpoint", driver)
        name = progress(folder)[1][0]
        os.kill(RunFolder(folder).trial(name).state()["pid"], signal.SIGKILL)
        printed, _ = driver.communicate(timeout=200)
    assert driver.returncode == 0
    assert f"{name}: its worker died; retrying once" in printed
    assert "Traceback" not in printed
    trials = pd.read_parquet(folder / "trials.parquet").set_index("trial")
    assert set(trials.status) == {"finished"}
    assert trials.attempts[name] == 2
    for trial in trials.index:
        assert same(records_of(folder, trial), trained_alone(folder, trial, digits))


def test_a_crashing_trial_is_retried_and_reported_and_others_count(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    code = run_grid(
        *DIGITS,
        *("--set", f"model={OWN}:FailsInTraining,{OWN}:KillsItsWorker", "--set", "lr=0.1"),
        *("--set", "optimizer=sgd", "--set", "batch_size=64,256", "--results", str(folder)),
    )
    assert code == 1
    printed = unwrapped(capsys.readouterr().out)
    assert "Interrupted" not in printed
    assert "made to fail" in printed
    assert f"--resume {folder}" in unwrapped(printed)
    trials = pd.read_parquet(folder / "trials.parquet").set_index(["model", "batch_size"])
    fails, kills = trials.loc[f"{OWN}:FailsInTraining"], trials.loc[f"{OWN}:KillsItsWorker"]
    assert fails.status.to_dict() == {64: "failed", 256: "finished"}
    assert fails.attempts[64] == 2
    assert "made to fail" in fails.error[64]
    # It dies before its first report, so Tune keeps no config of it.
    assert kills.status.to_dict() == {64: "failed", 256: "finished"}


def test_a_model_that_workers_cannot_import_ends_the_run(run_grid, tmp_path, monkeypatch, capsys):
    module = "from tests.own_models import Linear\n\n\nclass Mine(Linear):\n    pass\n"
    (tmp_path / "only_here.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    small = ("--set", "lr=0.1", "--set", "optimizer=sgd", "--set", "model=only_here:Mine")
    assert run_grid(*DIGITS, *small, "--results", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert "cannot load model=only_here:Mine" in error
    assert "workers must be able to import what the command can" in error


@pytest.mark.slow  # the next test ends a local run in the same way
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_run_and_prints_how_to_resume(sent, grid_command, tmp_path):
    folder = tmp_path / "run"
    command = [*grid_command, *LONG, "--set", "epochs=500", "--results", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        wait_for(lambda: progress(folder)[1], "a trial with a checkpoint", driver)
        driver.send_signal(sent)
        printed, _ = driver.communicate(timeout=100)
    assert driver.returncode == 130
    assert "Ctrl-C: stopping the trials" in printed
    assert f"--resume {shlex.quote(str(folder))}" in unwrapped(printed)
    assert "unfinished" in set(statuses(folder))
    assert progress(folder)[1]


@pytest.mark.parametrize(
    "when", ["while it trains", pytest.param("while Ray starts", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "whole_job", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["group", "job"]
)
def test_sigterm_to_the_group_ends_a_local_run_soon_and_prints_how_to_resume(
    when, whole_job, tmp_path
):
    """`timeout` signals the group of its command; systemd and Slurm each process of the job."""
    folder = tmp_path / "run"
    command = [sys.executable, "-u", "-m", "study.grid", *LONG, "--set", "epochs=500"]
    command += ["--max-concurrent", "1", "--results", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as driver:
        printed = ""
        while "Starting Ray" not in printed:
            printed += (line := driver.stdout.readline())
            assert line, printed
        if when == "while it trains":
            wait_for(lambda: progress(folder)[1], "a trial with a checkpoint", driver)
            worker = RunFolder(folder).trial(progress(folder)[1][0]).state()["pid"]
            # The dashboard lists workers by this name, too.
            assert Path(f"/proc/{worker}/cmdline").read_text().startswith("ray::fan_trial")
        else:
            wait_for(lambda: descendants(driver.pid), "a process of Ray", driver)
        children = descendants(driver.pid)
        for pid in children if whole_job else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        os.killpg(driver.pid, signal.SIGTERM)
        # Ray would wait 60 s for its dead server and then abort.
        printed += driver.communicate(timeout=45)[0]
    assert driver.returncode == 130
    if when == "while it trains":
        assert "Ctrl-C: stopping the trials" in printed
    assert f"--resume {shlex.quote(str(folder))}" in unwrapped(printed)
    assert "Failed to connect" not in printed
    assert "Traceback" not in printed
    wait_for(lambda: not [*filter(is_running, children)], "an end of Ray's processes", seconds=30)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_folder_that_workers_cannot_reach_ends_the_run(run_grid, tmp_path, monkeypatch, capsys):
    train = TuningEngine._train_batch

    def train_elsewhere(engine, *arguments):
        """Train as on a node that has no such folder."""
        (engine.folder.path / "run.json").rename(tmp_path / "run.json")
        return train(engine, *arguments)

    monkeypatch.setattr(TuningEngine, "_train_batch", train_elsewhere)
    assert run_grid(*DIGITS, "--results", str(tmp_path / "run")) == 2
    assert "results must be in a folder that every node can reach" in capsys.readouterr().err
    assert list((tmp_path / "run" / "trials").glob("*")) == []


@pytest.mark.slow  # 15 s
def test_asha_stops_weak_trials_early(run_grid, tmp_path):
    folder = tmp_path / "run"
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    assert (
        run_grid(
            *DIGITS,
            *("--set", "lr=0.1,0.01,0.001", "--set", "batch_size=64", "--set", "epochs=9"),
            *("--scheduler", "asha", "--max-concurrent", "2", "--results", str(folder)),
        )
        == 0
    )
    trials = pd.read_parquet(folder / "trials.parquet")
    assert set(trials.status) == {"finished", "stopped"}
    assert signal.getsignal(signal.SIGINT) is on_ctrl_c  # Tune's own handler does nothing after it
    stopped = trials[trials.status == "stopped"]
    assert stopped.epoch.max() < 9
    assert stopped.best_validation_accuracy.min() < trials.best_validation_accuracy.max()


def test_a_dry_run_lists_trials_and_trains_none(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run_grid(*DIGITS, "--dry-run", "--results", str(folder)) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert printed.count("_seed0") == 24
    assert "digits" in printed
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "model=tests.own_models:WrongShape"), "WrongShape (tests/own_models.py, line "),
        (
            ("--set", "optimizer=adagrad,proximal-adagrad", "--set", "initial_accumulator=0"),
            "proximal-adagrad rejects its settings",
        ),
        (("--scheduler", "asha", "--set", "dataset=digits,mnist"), "meaningless across data sets"),
    ],
)
def test_what_would_fail_in_training_is_refused_before(arguments, message, run_grid, capsys):
    budget = () if "dataset=digits,mnist" in arguments else ("--set", "dataset=digits")
    if not budget and not (Path(os.environ.get("STUDY_DATA_DIR", "data")) / "MNIST").is_dir():
        pytest.skip("the real MNIST is not here; set STUDY_DATA_DIR")
    assert run_grid("--budget", "smoke", *budget, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_trial_larger_than_any_node_is_refused(run_grid, capsys):
    assert run_grid(*DIGITS, "--cpus-per-trial", "64") == 2
    assert "use --cpus-per-trial 4 or less" in capsys.readouterr().err


def test_the_smallest_config_of_all_still_trains(digits):
    config = TrainConfig(dataset="digits", train_samples=1, batch_size=1, epochs=1)
    assert len(list(training.train(training.Run(config, digits)))) == 1
