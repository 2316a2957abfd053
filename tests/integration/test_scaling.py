"""`python -m study.scaling` on a real Ray: Ray Train's workers learn what one process learns, and
a worker that is killed costs no records."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from lenet import training
from study.report import __main__ as report
from study.runs.run_folder import RunFolder
from study.scaling import __main__ as scaling
from study.scaling.launchers import Launcher
from tests.drivers import wait_for
from tests.integration.test_grid import same

DIGITS = ("--budget", "smoke", "--set", "dataset=digits", "--set", "batch_size=32")
# Something is under way long enough to be ended.
LONG = (*DIGITS, "--set", "train_samples=none", "--set", "epochs=20")


@pytest.fixture(scope="module")
def finished(ray_address, tmp_path_factory):
    """A run on one and two of Ray Train's workers."""
    folder = tmp_path_factory.mktemp("runs") / "workers"
    cpus = ("--address", ray_address, "--device", "cpu", "--workers", "1,2")
    code = scaling.main([*cpus, *DIGITS, "--results", str(folder)])
    return folder, code


def same_learning(one, other):
    return len(one) == len(other) and all(
        (a.step, a.samples) == (b.step, b.samples)
        and a.train_loss == pytest.approx(b.train_loss, rel=1e-3)
        and a.validation_loss == pytest.approx(b.validation_loss, rel=1e-3)
        for a, b in zip(one, other, strict=True)
    )


def test_workers_learn_what_a_plain_run_learns(finished, digits):
    folder, code = finished
    assert code == 0
    run = RunFolder(folder)
    for planned in run.plan:
        alone = list(training.train(training.Run(planned.config, digits)))
        assert same_learning(run.trial(planned.name).records(), alone)


def test_each_workers_steps_are_timed_and_reported(finished, tmp_path, capsys):
    folder, _ = finished
    timings = pd.read_parquet(folder / "timings.parquet")
    two = timings[timings["trial"].str.startswith("ray_2cpu")]
    last = RunFolder(folder).trial(two["trial"].iloc[0]).records()[-1].step
    assert two.groupby("rank")["step"].apply(list).tolist() == [list(range(1, last + 1))] * 2
    assert (two["communication_seconds"] > 0).all()
    assert report.main([str(folder), "--out", str(tmp_path)]) == 0
    assert {path.stem for path in (tmp_path / "tables").iterdir()} >= {"strong-scaling", "start-up"}
    assert (tmp_path / "figures" / "time-shares.png").is_file()
    assert "2 cpu workers, measured" in capsys.readouterr().out


@pytest.mark.slow
def test_torchrun_and_a_plain_process_train_the_same(tmp_path, digits):
    folder = tmp_path / "run"
    typed = ["--device", "cpu", "--workers", "1,2", "--launchers", "torchrun,plain"]
    assert scaling.main([*typed, *DIGITS, "--results", str(folder)]) == 0
    run = RunFolder(folder)
    alone = list(training.train(training.Run(run.plan[0].config, digits)))
    begun = {"_".join(planned.name.split("_")[:2]) for planned in run.plan}
    assert begun == {"plain_1cpu", "torchrun_1cpu", "torchrun_2cpu"}
    for planned in run.plan:
        assert same_learning(run.trial(planned.name).records(), alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("FailsUnderTorchrun", "exit code 1: RuntimeError: made to fail (see "),
        ("EndsUnderTorchrun", "Signal 9 (SIGKILL) received by PID"),
    ],
)
def test_a_launch_that_fails_says_why(model, said, tmp_path, capsys):
    folder = tmp_path / "run"
    typed = ["--device", "cpu", "--workers", "1,2", "--launchers", "torchrun,plain"]
    typed += ["--set", f"model=tests.own_models:{model}", "--results", str(folder)]
    assert scaling.main([*typed, *DIGITS]) == 1
    run = RunFolder(folder)
    errors = {p.name: run.trial(p.name).state()["error"] for p in run.plan}
    assert len(errors) == 3
    assert all((said if n.startswith("torchrun") else "None") in str(e) for n, e in errors.items())
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_workers_that_do_not_find_the_folder_end_the_run(
    ray_address, tmp_path, monkeypatch, capsys
):
    connect = Launcher._connect

    def elsewhere(launcher):
        """As on a node that has no such folder."""
        (tmp_path / "run" / "run.json").rename(tmp_path / "kept")
        connect(launcher)

    monkeypatch.setattr(Launcher, "_connect", elsewhere)
    typed = ["--address", ray_address, "--device", "cpu", "--workers", "1,2", *DIGITS]
    assert scaling.main([*typed, "--results", str(tmp_path / "run")]) == 2
    assert "a folder that every node reaches" in capsys.readouterr().err


def test_resumed_it_needs_only_what_is_left(tmp_path, capsys):
    folder = tmp_path / "run"
    typed = ["--device", "cpu", "--workers", "1", "--launchers", "plain"]
    assert scaling.main([*typed, *DIGITS, "--results", str(folder)]) == 0
    nowhere = ("--resume", str(folder), "--address", "127.0.0.1:1")
    # Of a run with other launches: nothing of them is left.
    run = json.loads((folder / "run.json").read_text())
    run["machine"]["cpus"] += 62
    run["options"]["cpus_per_worker"] = 1_000.0
    (folder / "run.json").write_text(json.dumps(run))
    assert scaling.main([*nowhere, "--autoscale"]) == 0
    assert "0 runs (budget smoke, 1 repeat; 1 more are complete)" in capsys.readouterr().out
    (state,) = folder.glob("trials/*/trial.json")
    state.unlink()
    assert scaling.main([*nowhere]) == 2
    said = "plain-1cpu-repeat0 is not complete and trains on this machine, not on the cluster"
    assert said in capsys.readouterr().err
    assert scaling.main(["--resume", str(folder)]) == 2
    assert "--workers 1 is more than fit" in capsys.readouterr().err
    run["options"]["cpus_per_worker"] = 1.0
    (folder / "run.json").write_text(json.dumps(run))
    # Damaged, as by a machine that went off while it wrote.
    (records,) = folder.glob("trials/*/records.json")
    records.write_bytes(b"")
    assert scaling.main(["--resume", str(folder)]) == 0
    began = re.compile(r"This run began with \d+ cpus, now \d+: seconds .* are not comparable")
    assert began.search(capsys.readouterr().out)
    (elsewhere,) = RunFolder(folder).run.resumed_on
    assert elsewhere["machine"]["cpus"] == run["machine"]["cpus"] - 62
    assert len(pd.read_csv(folder / "trials.csv")) == 1
    run["choices"]["width"] = ["2"]
    (folder / "run.json").write_text(json.dumps(run))
    assert scaling.main(["--resume", str(folder)]) == 2
    assert "has other runs here than those that" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_worker_costs_no_records(ray_address, tmp_path, digits):
    folder = tmp_path / "run"
    killed = []
    over = threading.Event()

    def kill_one():
        while not over.wait(0.02):
            for state in folder.glob("trials/ray_2cpu*/trial.json"):
                # A checkpoint is there: the rest of the run is to go on from it.
                if (state.parent / "checkpoint.pt").is_file():
                    killed.append(json.loads(state.read_bytes())["pid"])
                    os.kill(killed[0], signal.SIGKILL)
                    return

    killer = threading.Thread(target=kill_one)
    killer.start()
    long = ("--set", "epochs=40", "--set", "train_samples=none", "--set", "batch_size=16")
    cpus = ("--address", ray_address, "--device", "cpu", "--workers", "1,2")
    code = scaling.main([*cpus, *DIGITS[:4], *long, "--results", str(folder)])
    over.set()
    killer.join()
    assert killed
    assert code == 0
    run = RunFolder(folder)
    (planned,) = (p for p in run.plan if p.name.startswith("ray_2cpu"))
    trial = run.trial(planned.name)
    assert trial.state()["attempts"] == 2
    steps = [record.step for record in trial.records()]
    alone = training.Run(planned.config, digits)
    assert steps == [alone.steps_per_epoch * epoch for epoch in range(1, 41)]
    assert math.isnan(trial.state()["data_parallel"]["launch_seconds"])
    # All steps were timed, and those behind the checkpoint tell that they are.
    for rank in (0, 1):
        rows = [row for row in trial.timings() if row["rank"] == rank]
        assert [row["step"] for row in rows] == list(range(1, alone.total_steps + 1))
        first, again = sorted({row["begun_at"] for row in rows})
        assert first == 0
        assert again in steps
        assert all(row["begun_at"] == (again if row["step"] > again else 0) for row in rows)


def under_way(folder, pattern):
    return [path for path in folder.glob(f"trials/{pattern}/checkpoint.pt")]


def interrupt(arguments, folder, pattern):
    """Asks a run to end once a launch of `pattern` has a checkpoint."""
    command = [sys.executable, "-m", "study.scaling", *arguments, "--results", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        wait_for(lambda: under_way(folder, pattern), "a checkpoint", driver)
        driver.send_signal(signal.SIGTERM)
        printed, _ = driver.communicate(timeout=100)
    assert driver.returncode == 130
    assert f"python -m study.scaling --resume {folder}" in printed


def check_finished_alike(folder, other):
    one, two = RunFolder(folder), RunFolder(other)
    for planned in one.plan:
        assert one.trial(planned.name).state()["status"] == "finished"
        assert same(one.trial(planned.name).records(), two.trial(planned.name).records())


@pytest.mark.slow
def test_asked_to_end_it_says_how_to_resume(ray_address, tmp_path):
    folder, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    arguments = ["--address", ray_address, "--device", "cpu", "--workers", "1,2", *LONG]
    interrupt(arguments, folder, "ray_2cpu*")
    assert scaling.main(["--resume", str(folder), "--address", ray_address]) == 0
    assert scaling.main([*arguments, "--results", str(undisturbed)]) == 0
    check_finished_alike(folder, undisturbed)


@pytest.mark.slow
def test_asked_to_end_it_leaves_no_worker_behind(tmp_path):
    folder, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    arguments = ["--device", "cpu", "--workers", "1", "--launchers", "torchrun", *LONG]
    interrupt(arguments, folder, "torchrun_1cpu*")
    job = str(folder / "launches")
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if job in _read_if_there(path)]
    assert left == []
    assert scaling.main(["--resume", str(folder)]) == 0
    assert scaling.main([*arguments, "--results", str(undisturbed)]) == 0
    check_finished_alike(folder, undisturbed)


def _read_if_there(path):
    try:
        return path.read_text()
    except OSError:  # a process that has ended since
        return ""
