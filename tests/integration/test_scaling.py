"""`python -m study.scaling` on a real Ray: Ray Train's workers learn what one process learns, and
a worker that is killed costs no records."""

import json
import math
import os
import signal
import threading

import pandas as pd
import pytest

from lenet import training
from study import scaling
from study.report import __main__ as report
from study.runtime.storage import RunFolder

DIGITS = ("--budget", "smoke", "--set", "dataset=digits", "--set", "batch_size=32")


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
    typed = ["--device", "cpu", "--workers", "1", "--launchers", "torchrun,plain"]
    assert scaling.main([*typed, *DIGITS, "--results", str(folder)]) == 0
    run = RunFolder(folder)
    alone = list(training.train(training.Run(run.plan[0].config, digits)))
    assert {planned.name.partition("_")[0] for planned in run.plan} == {"torchrun", "plain"}
    for planned in run.plan:
        assert same_learning(run.trial(planned.name).records(), alone)


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
