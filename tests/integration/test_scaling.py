"""`python -m study.scaling` on a real Ray: several workers learn what one process learns."""

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
from study.scaling.launchers import Launchers
from tests import hparams_tab
from tests.comparison import same
from tests.drivers import wait_for
from tests.terminal import unwrapped

DIGITS = ("--budget", "smoke", "--set", "dataset=digits", "--set", "batch_size=32")
# Long enough to be killed.
LONG = (*DIGITS, "--set", "train_samples=none", "--set", "epochs=20")


@pytest.fixture(scope="module")
def finished(ray_address, tmp_path_factory):
    """A run on one and two of Ray Train's workers."""
    folder = tmp_path_factory.mktemp("runs") / "workers"
    cpus = ("--address", ray_address, "--device", "cpu", "--workers", "1,2")
    code = scaling.main([*cpus, *DIGITS, "--results", str(folder)])
    return folder, code


def test_workers_learn_what_a_plain_run_learns(finished, digits):
    folder, code = finished
    assert code == 0
    run = RunFolder(folder)
    for planned in run.plan:
        alone = list(training.train(training.Run(planned.config, digits)))
        assert same(run.trial(planned.name).records(), alone, rel=1e-3)
    hparams_tab.check_shows_all_trials(folder)


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
    assert "2 cpu workers, measured" in unwrapped(capsys.readouterr().out)


@pytest.mark.slow
def test_torchrun_and_a_plain_process_learn_the_same(tmp_path, digits, monkeypatch):
    # Also on a machine whose name does not resolve, which torchrun advertises by default.
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\nsocket.getfqdn = socket.gethostname = lambda *_: 'no-such-host.invalid'\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    folder = tmp_path / "run"
    typed = ["--device", "cpu", "--workers", "1,2", "--launchers", "torchrun,plain"]
    assert scaling.main([*typed, *DIGITS, "--results", str(folder)]) == 0
    run = RunFolder(folder)
    alone = list(training.train(training.Run(run.plan[0].config, digits)))
    begun = {"_".join(planned.name.split("_")[:2]) for planned in run.plan}
    assert begun == {"plain_1cpu", "torchrun_1cpu", "torchrun_2cpu"}
    for planned in run.plan:
        assert same(run.trial(planned.name).records(), alone, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("FailsUnderTorchrun", "exit code 1: RuntimeError: made to fail (see "),
        ("EndsUnderTorchrun", "Signal 9 (SIGKILL) received by PID"),
    ],
)
def test_a_failed_launch_names_the_reason(model, reason, tmp_path, capsys):
    folder = tmp_path / "run"
    typed = ["--device", "cpu", "--workers", "1,2", "--launchers", "torchrun,plain"]
    typed += ["--set", f"model=tests.own_models:{model}", "--results", str(folder)]
    assert scaling.main([*typed, *DIGITS]) == 1
    run = RunFolder(folder)
    errors = {p.name: run.trial(p.name).state()["error"] for p in run.plan}
    assert len(errors) == 3
    assert all(
        (reason if name.startswith("torchrun") else "None") in str(error)
        for name, error in errors.items()
    )
    assert reason in unwrapped(capsys.readouterr().out)


@pytest.mark.slow
def test_a_folder_that_workers_cannot_reach_ends_the_run(
    ray_address, tmp_path, monkeypatch, capsys
):
    connect = Launchers._connect

    def connect_elsewhere(launchers):
        """Connect as on a node that has no such folder."""
        (tmp_path / "run" / "run.json").rename(tmp_path / "run.json")
        connect(launchers)

    monkeypatch.setattr(Launchers, "_connect", connect_elsewhere)
    typed = ["--address", ray_address, "--device", "cpu", "--workers", "1,2", *DIGITS]
    assert scaling.main([*typed, "--results", str(tmp_path / "run")]) == 2
    assert "results must be in a folder that every node can reach" in capsys.readouterr().err


@pytest.mark.slow  # 20 s
def test_a_resumed_run_needs_room_only_for_unfinished_launches(tmp_path, capsys):
    folder = tmp_path / "run"
    typed = ["--device", "cpu", "--workers", "1", "--launchers", "plain"]
    assert scaling.main([*typed, *DIGITS, "--results", str(folder)]) == 0
    nowhere = ("--resume", str(folder), "--address", "127.0.0.1:1")
    # Complete launches need neither the cluster nor the CPUs that they had.
    run = json.loads((folder / "run.json").read_text())
    run["machine"]["cpus"] += 62
    run["options"]["cpus_per_worker"] = 1_000.0
    (folder / "run.json").write_text(json.dumps(run))
    assert scaling.main([*nowhere, "--autoscale"]) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert f"All 1 launches of {folder} are complete." in printed
    (state,) = folder.glob("trials/*/trial.json")
    state.unlink()
    assert scaling.main([*nowhere]) == 2
    message = (
        "plain-1cpu-serial-repeat0 is unfinished and trains on this machine, not on the cluster"
    )
    assert message in capsys.readouterr().err
    assert scaling.main(["--resume", str(folder)]) == 2
    assert "--workers 1 do not fit on" in capsys.readouterr().err
    run["options"]["cpus_per_worker"] = 1.0
    (folder / "run.json").write_text(json.dumps(run))
    # Damaged, as by a power failure in the middle of writing.
    (records,) = folder.glob("trials/*/records.jsonl")
    records.write_bytes(b"")
    assert scaling.main(["--resume", str(folder)]) == 0
    began = re.compile(r"This run began with \d+ cpus, now \d+: seconds .* are not comparable")
    assert began.search(unwrapped(capsys.readouterr().out))
    (elsewhere,) = RunFolder(folder).run.resumed_on
    assert elsewhere["machine"]["cpus"] == run["machine"]["cpus"] - 62
    assert len(pd.read_csv(folder / "trials.csv")) == 1
    run["choices"]["width"] = ["2"]
    (folder / "run.json").write_text(json.dumps(run))
    assert scaling.main(["--resume", str(folder)]) == 2
    assert "fan-hardware has changed since" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_worker_costs_no_records(ray_address, tmp_path, digits):
    folder = tmp_path / "run"
    killed = []
    over = threading.Event()

    def kill_one():
        while not over.wait(0.02):
            for state in folder.glob("trials/ray_2cpu*/trial.json"):
                # The run must continue from a checkpoint.
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
    length = training.Run(planned.config, digits).length
    assert steps == [length.steps_per_epoch * epoch for epoch in range(1, 41)]
    assert math.isnan(trial.state()["data_parallel"]["launch_seconds"])
    # All steps were timed, and those after the checkpoint record where their attempt began.
    for rank in (0, 1):
        rows = [row for row in trial.timings() if row["rank"] == rank]
        assert [row["step"] for row in rows] == list(range(1, length.total_steps + 1))
        first, again = sorted({row["begun_at"] for row in rows})
        assert first == 0
        assert again in steps
        assert all(row["begun_at"] == (again if row["step"] > again else 0) for row in rows)


def interrupt(arguments, folder, pattern):
    """Start a run and send it SIGTERM once a trial of `pattern` has a checkpoint."""
    command = [sys.executable, "-m", "study.scaling", *arguments, "--results", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        wait_for(lambda: [*folder.glob(f"trials/{pattern}/checkpoint.pt")], "a checkpoint", driver)
        driver.send_signal(signal.SIGTERM)
        printed, _ = driver.communicate(timeout=100)
    assert driver.returncode == 130
    assert f"python -m study.scaling --resume {folder}" in unwrapped(printed)


def check_same_records(folder, other):
    one, two = RunFolder(folder), RunFolder(other)
    for planned in one.plan:
        assert one.trial(planned.name).state()["status"] == "finished"
        assert same(one.trial(planned.name).records(), two.trial(planned.name).records())


@pytest.mark.slow
def test_sigterm_prints_how_to_resume(ray_address, tmp_path):
    folder, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    arguments = ["--address", ray_address, "--device", "cpu", "--workers", "1,2", *LONG]
    interrupt(arguments, folder, "ray_2cpu*")
    assert scaling.main(["--resume", str(folder), "--address", ray_address]) == 0
    assert scaling.main([*arguments, "--results", str(undisturbed)]) == 0
    check_same_records(folder, undisturbed)


@pytest.mark.slow
def test_sigterm_leaves_no_worker_behind(tmp_path):
    folder, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    arguments = ["--device", "cpu", "--workers", "1", "--launchers", "torchrun", *LONG]
    interrupt(arguments, folder, "torchrun_1cpu*")
    job = str(folder / "launches")
    running = [p for p in Path("/proc").glob("[0-9]*/cmdline") if job in _read_if_exists(p)]
    assert running == []
    assert scaling.main(["--resume", str(folder)]) == 0
    assert scaling.main([*arguments, "--results", str(undisturbed)]) == 0
    check_same_records(folder, undisturbed)


def _read_if_exists(path):
    try:
        return path.read_text()
    except OSError:  # the process has ended since
        return ""
