"""`python -m study.grid` on a real Ray: the whole way from the command to the figures, and
what is left when something is killed on that way."""

import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from lenet import TrainConfig, training
from study.report import __main__ as report
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE
from study.tuning import execution
from tests.drivers import kill, wait_for

DIGITS = ("--budget", "smoke", "--set", "dataset=digits")
# Four trials of some seconds each, so that something is under way when it is killed.
LONG = (*DIGITS, "--set", "optimizer=adam", "--set", "lr=0.001", "--set", "dropout=0.4")
LONG = (*LONG, "--set", "train_samples=none")


def records(folder, trial):
    return RunFolder(folder).trial(trial).records()


def trained_alone(folder, trial, digits):
    config = next(p.config for p in RunFolder(folder).plan if p.name == trial)
    return list(training.train(training.Run(config, digits)))


def same(one, other):
    return len(one) == len(other) and all(
        a.equal_except_timing(b) for a, b in zip(one, other, strict=True)
    )


def statuses(folder):
    return pd.read_parquet(Path(folder) / "trials.parquet").set_index("trial").status


def progress(folder):
    """(complete trials, trials with a checkpoint) by name."""
    if not (folder / "plan.json").is_file():
        return [], []
    trials = {p.name: RunFolder(folder).trial(p.name) for p in RunFolder(folder).plan}
    complete = [name for name, trial in trials.items() if trial.state().get("status") in COMPLETE]
    return complete, [name for name, trial in trials.items() if trial.checkpoint()]


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
    assert "figure-1-sgd-accuracy.png" in figures
    assert "figure-2-sgd-loss.svg" in figures
    assert not any("adam" in name for name in figures)  # not in this run, so not drawn
    for name in RunFolder(folder).plan:
        assert list((folder / "trials" / name.name).glob("events.out.tfevents.*"))


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
        assert same(records(folder, trial), trained_alone(folder, trial, digits))


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
    # The GPU is only a logical one, which what the numbers carry says; the driver cannot know.
    assert RunFolder(folder).run.device.startswith("GPUs of the cluster")
    assert pd.read_parquet(folder / "trials.parquet").device.str.startswith("cpu").all()


def test_the_report_draws_it_again_alone(finished, tmp_path, capsys):
    folder, _ = finished
    assert report.main([str(folder), "--out", str(tmp_path)]) == 0
    again = (tmp_path / "figures" / "figure-1-sgd-accuracy.svg").read_bytes()
    assert again == (folder / "figures" / "figure-1-sgd-accuracy.svg").read_bytes()
    assert "sgd" in capsys.readouterr().out


def test_a_finished_run_is_not_run_again(finished, run_grid, capsys):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")}
    assert run_grid("--resume", str(folder)) == 0
    assert "All 4 trials" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")} == before


def test_a_taken_folder_is_refused(finished, run_grid, capsys):
    folder, _ = finished
    assert run_grid(*DIGITS, "--results", str(folder)) == 2
    assert f"--resume {folder}" in capsys.readouterr().err


@pytest.fixture(scope="module")
def killed_driver(grid_command, run_grid, tmp_path_factory):
    """A run whose driver was killed and that was resumed: its folder, the trials that were
    complete and under way at that moment with their records, and the exit code."""
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
        wait_for(lambda: all(progress(folder)), "a complete trial and one under way", driver)
        kill(driver, *RunFolder(folder).map_trials(lambda _, trial: trial.state()))
    complete, under_way = progress(folder)
    kept = {name: records(folder, name) for name in complete + under_way}
    code = run_grid("--resume", str(folder))
    return folder, complete, under_way, kept, code


def test_a_killed_driver_is_resumed(killed_driver, digits):
    folder, complete, under_way, _, code = killed_driver
    assert code == 0
    assert set(statuses(folder)) == {"finished"}
    trials = pd.read_parquet(folder / "trials.parquet").set_index("trial")
    assert set(trials.attempts[complete]) == {1}  # no finished trial was repeated
    assert under_way
    for name in statuses(folder).index:
        assert same(records(folder, name), trained_alone(folder, name, digits))


def test_what_was_under_way_repeats_one_epoch_at_most(killed_driver):
    folder, _, under_way, kept, _ = killed_driver
    for name in under_way:
        # A row trained again has another time on its clock.
        again = {record.train_seconds for record in records(folder, name)}
        repeated = [record for record in kept[name] if record.train_seconds not in again]
        assert len(repeated) <= 1


def test_a_resumed_run_with_other_resources_says_so(killed_driver, grid_command, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(killed_driver[0], folder)
    trial = RunFolder(folder).trial(RunFolder(folder).plan[0].name)
    (trial.home / "trial.json").delete()
    command = [*grid_command, "--resume", str(folder), "--cpus-per-trial", "2", "--dry-run"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "began with cpus_per_trial 1.0, now 2.0: records may differ" in printed
    assert "2 CPU and 0.25 GPU each" in printed


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
    assert f"{name}: its worker died; it is tried once more" in printed
    assert "Traceback" not in printed
    trials = pd.read_parquet(folder / "trials.parquet").set_index("trial")
    assert set(trials.status) == {"finished"}
    assert trials.attempts[name] == 2
    for trial in trials.index:
        assert same(records(folder, trial), trained_alone(folder, trial, digits))


OWN = "tests.own_models"


def test_a_trial_that_crashes_is_retried_reported_and_the_others_stand(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    code = run_grid(
        *DIGITS,
        *("--set", f"model={OWN}:FailsInTraining,{OWN}:KillsItsWorker", "--set", "lr=0.1"),
        *("--set", "optimizer=sgd", "--set", "batch_size=64,256", "--results", str(folder)),
    )
    assert code == 1
    printed = capsys.readouterr().out
    assert "Interrupted" not in printed
    assert "made to fail" in printed
    assert f"--resume {folder}" in printed
    trials = pd.read_parquet(folder / "trials.parquet").set_index(["model", "batch_size"])
    fails, kills = trials.loc[f"{OWN}:FailsInTraining"], trials.loc[f"{OWN}:KillsItsWorker"]
    assert fails.status.to_dict() == {64: "failed", 256: "finished"}
    assert fails.attempts[64] == 2
    assert "made to fail" in fails.error[64]
    # Before its first report, of which Tune keeps no config.
    assert kills.status.to_dict() == {64: "failed", 256: "finished"}


def test_a_model_that_workers_cannot_import_ends_the_run(run_grid, tmp_path, monkeypatch, capsys):
    module = "from tests.own_models import Linear\n\n\nclass Mine(Linear):\n    pass\n"
    (tmp_path / "only_here.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    small = ("--set", "lr=0.1", "--set", "optimizer=sgd", "--set", "model=only_here:Mine")
    assert run_grid(*DIGITS, *small, "--results", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert "cannot load 'only_here:Mine'" in error
    assert "workers must be able to import what the command can" in error


@pytest.mark.parametrize(
    "sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_ctrl_c_ends_cleanly_and_says_what_is_kept(sent, grid_command, tmp_path):
    folder = tmp_path / "run"
    command = [*grid_command, *LONG, "--set", "epochs=500", "--results", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        wait_for(lambda: progress(folder)[1], "a trial with a checkpoint", driver)
        worker = RunFolder(folder).trial(progress(folder)[1][0]).state()["pid"]
        # As the dashboard lists it, too.
        assert Path(f"/proc/{worker}/cmdline").read_text().startswith("ray::fan_trial")
        driver.send_signal(sent)
        printed, _ = driver.communicate(timeout=100)
    assert driver.returncode == 130
    assert f"--resume {shlex.quote(str(folder))}" in printed
    assert "unfinished" in set(statuses(folder))
    assert progress(folder)[1]


def test_workers_that_do_not_find_the_folder_end_the_run(run_grid, tmp_path, monkeypatch, capsys):
    train = execution._train_trials

    def elsewhere(trials, launch, *more):
        """As on a node that has no such folder."""
        (launch.folder.path / "run.json").rename(tmp_path / "kept")
        return train(trials, launch, *more)

    monkeypatch.setattr(execution, "_train_trials", elsewhere)
    assert run_grid(*DIGITS, "--results", str(tmp_path / "run")) == 2
    assert "a folder that every node reaches" in capsys.readouterr().err
    begun = list((tmp_path / "run" / "trials").glob("*"))
    assert begun == []


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
    assert signal.getsignal(signal.SIGINT) is on_ctrl_c  # Tune's own would do nothing any more
    stopped = trials[trials.status == "stopped"]
    assert stopped.epoch.max() < 9
    assert stopped.best_validation_accuracy.min() < trials.best_validation_accuracy.max()


def test_a_dry_run_lists_and_starts_nothing(run_grid, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run_grid(*DIGITS, "--dry-run", "--results", str(folder)) == 0
    printed = capsys.readouterr().out
    assert printed.count("_seed0") == 24
    assert "digits" in printed
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "model=tests.own_models:WrongShape"), "WrongShape cannot be trained"),
        (
            ("--set", "optimizer=adagrad,proximal-adagrad", "--set", "initial_accumulator=0"),
            "proximal-adagrad rejects its settings",
        ),
        (("--scheduler", "asha", "--set", "dataset=digits,mnist"), "says nothing across data"),
    ],
)
def test_what_only_training_could_tell_is_refused_before(arguments, said, run_grid, capsys):
    budget = () if "dataset=digits,mnist" in arguments else ("--set", "dataset=digits")
    if not budget and not (Path(os.environ.get("STUDY_DATA_DIR", "data")) / "MNIST").is_dir():
        pytest.skip("the real MNIST is not here; set STUDY_DATA_DIR")
    assert run_grid("--budget", "smoke", *budget, *arguments) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_more_than_the_cluster_has_is_refused(run_grid, capsys):
    assert run_grid(*DIGITS, "--cpus-per-trial", "64") == 2
    assert "use --cpus-per-trial 4 or less" in capsys.readouterr().err


def test_the_smallest_config_of_all_still_trains(digits):
    config = TrainConfig(dataset="digits", train_samples=1, batch_size=1, epochs=1)
    assert len(list(training.train(training.Run(config, digits)))) == 1
