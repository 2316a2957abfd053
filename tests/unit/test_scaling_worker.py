"""The workers of a scaling run, in the run's folder."""

import dataclasses
import datetime
import functools
import math
import os
import shutil
import sys
import threading
import time

import numpy as np
import pytest
import torch

from lenet import training
from lenet.config import TrainConfig
from lenet.data_parallel import Replica
from search_spaces.study import PlannedTrial
from study.runs.storage import OutOfReach
from study.runs.trial_folder import TrialFolder
from study.scaling import worker
from study.scaling.job import Job, failure_file
from tests import hparams_tab
from tests.comparison import same
from tests.unit.worker_threads import run_together, team

SHORT = TrainConfig(dataset="digits", train_samples=90, batch_size=32, epochs=2)
POINT = "ray_2cpu_explicit_point"
START_UP = {"ray_seconds": 7.0, "launch_seconds": 3.0, "group_seconds": 0.5}


def serial_records(digits):
    return list(training.train(training.Run(SHORT, digits)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a run."""
    lock = threading.Lock()

    def create_one_at_a_time(*arguments, **keywords):
        # Threads share the global random state, which initializes the weights.
        with lock:
            return training.Run(*arguments, **keywords)

    monkeypatch.setattr(worker, "Run", create_one_at_a_time)
    folder = tmp_path / "run"
    (folder / "trials").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    return folder


def job_in(folder, **changes):
    job = Job(
        launch="ray-2cpu-explicit-repeat0",
        launcher="ray",
        processor="cpu",
        workers=2,
        strategy="explicit",
        oversubscribed=False,
        threads=1,
        run_folder=str(folder),
        data_dir=None,
        points=(PlannedTrial(name=POINT, config=SHORT),),
        requested_at=time.time(),
        driver_pid=os.getpid(),
    )
    return dataclasses.replace(job, **changes)


def trial_in(folder):
    return TrialFolder(folder / "trials" / POINT)


def work(dataset, *jobs, delay=0.0):
    """Run a worker for each of `jobs`; return None or its error for each of them.

    Each worker takes `delay` seconds longer to start than the previous one.
    """

    def run_worker(job, replica):
        start_up = {**START_UP, "launch_seconds": 3.0 + delay * replica.rank}
        try:
            worker.train_job(
                job, replica, torch.device("cpu"), lambda: {"digits": dataset}, start_up
            )
        except Exception as error:
            return error
        return None

    workers = zip(jobs, team(len(jobs)), strict=True)
    return run_together([functools.partial(run_worker, job, replica) for job, replica in workers])


def test_a_failing_process_writes_the_reason_beside_its_job(tmp_path, monkeypatch):
    path = tmp_path / "plain-1cpu-serial-repeat0.json"
    job_in(tmp_path / "missing", launcher="plain", workers=1).write(path)
    monkeypatch.setattr(sys, "argv", ["worker", str(path)])
    with pytest.raises(OutOfReach):
        worker.main()
    message = failure_file(path).read_text()
    assert message.startswith(f"OutOfReach: {tmp_path / 'missing'} does not exist on ")


def fail_after_the_first_record(run):
    yield run.advance()
    raise RuntimeError("made to die")


def test_workers_train_a_point_and_record_the_slowest_start(folder, digits):
    job = job_in(folder)
    started = time.perf_counter()
    assert work(digits, job, job, delay=2.0) == [None, None]
    elapsed = time.perf_counter() - started
    trial = trial_in(folder)
    alone = serial_records(digits)
    assert same(trial.records(), alone, rel=1e-4)
    facts = trial.state()["data_parallel"]
    assert (facts["launch_seconds"], facts["ray_seconds"]) == (5.0, 7.0)
    assert facts["machines"] == 1
    assert facts["load_seconds"] < 5
    # The slowest start, and at least all training steps after it.
    start_up = 5.0 + 0.5 + facts["load_seconds"]
    assert facts["total_seconds"] > start_up + trial.records()[-1].train_seconds
    assert facts["total_seconds"] < start_up + elapsed
    timings = trial.timings()
    steps = list(range(1, alone[-1].step + 1))
    for rank in (0, 1):
        assert timings["step"][timings["rank"] == rank].tolist() == steps
    assert set(timings["begun_at"]) == {0}
    assert (timings["communication_seconds"] > 0).all()
    ((_, hyperparameters, metrics),) = hparams_tab.rows(folder / "trials").values()
    assert (hyperparameters["launcher"], hyperparameters["workers"]) == ("ray", 2)
    assert metrics["accuracy/test"] == pytest.approx(trial.records()[-1].test_accuracy)


def test_a_retried_launch_continues_from_the_checkpoint(folder, digits, monkeypatch):
    job = job_in(folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", fail_after_the_first_record)
        assert all(isinstance(error, RuntimeError) for error in work(digits, job, job))
    trial = trial_in(folder)
    assert trial.state()["data_parallel"]["launch_seconds"] == 3.0
    first = trial.records()[-1].step
    assert np.count_nonzero(trial.timings()["rank"] == 0) == first

    assert work(digits, job, job) == [None, None]
    state = trial.state()
    assert state["attempts"] == 2
    # The time since the launch was requested includes the first attempt.
    assert math.isnan(state["data_parallel"]["launch_seconds"])
    assert math.isnan(state["data_parallel"]["total_seconds"])
    assert state["data_parallel"]["group_seconds"] == 0.5
    records = trial.records()
    assert same(records, serial_records(digits), rel=1e-4)
    timings = trial.timings()
    for rank in (0, 1):
        of_rank = timings[timings["rank"] == rank]
        assert of_rank["step"].tolist() == list(range(1, records[-1].step + 1))
        assert set(of_rank["begun_at"][:first]) == {0}
        assert set(of_rank["begun_at"][first:]) == {first}


def test_steps_after_the_checkpoint_are_timed_once(folder, digits, monkeypatch):
    job = job_in(folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", fail_after_the_first_record)
        # It fails after saving the timings and before saving the checkpoint.
        patched.setattr(TrialFolder, "save", lambda *_: None)
        work(digits, job, job)
    assert work(digits, job, job) == [None, None]
    timings = trial_in(folder).timings()
    assert len(timings) == len(np.unique(timings[["rank", "step"]]))
    assert set(timings["begun_at"]) == {0}


def test_a_resumed_run_measures_start_up_again(folder, digits, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", fail_after_the_first_record)
        work(digits, job_in(folder), job_in(folder))
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    job = job_in(folder, requested_at=later.timestamp())
    assert work(digits, job, job) == [None, None]
    state = trial_in(folder).state()
    assert (state["attempts"], state["data_parallel"]["launch_seconds"]) == (2, 3.0)
    # The first attempt trained the steps before the checkpoint.
    assert math.isnan(state["data_parallel"]["total_seconds"])


def test_a_folder_that_one_worker_cannot_reach(folder, digits, tmp_path):
    errors = work(digits, job_in(folder), job_in(tmp_path / "elsewhere"))
    for error in errors:
        assert isinstance(error, OutOfReach)
        assert "must be in a folder that every node can reach, or in a bucket" in str(error)
    assert "but not on the machine of worker 1" in str(errors[0])
    assert str(tmp_path / "elsewhere") in str(errors[1])
    assert not list((folder / "trials").iterdir())


def test_workers_that_find_different_checkpoints(folder, digits, tmp_path, monkeypatch):
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    job = job_in(folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", fail_after_the_first_record)
        work(digits, job, job)
    for error in work(digits, job, job_in(old)):
        assert isinstance(error, RuntimeError)
        assert "find different checkpoints" in str(error)
        assert "of steps 3, 0" in str(error)


def test_the_first_worker_decides_which_points_are_complete(folder, digits, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    job = job_in(folder)
    work(digits, job, job)
    assert work(digits, job, job_in(old)) == [None, None]
    assert trial_in(folder).state()["attempts"] == 1
    assert not list((old / "trials").iterdir())


def test_one_process_for_several_gpus_saves_what_one_worker_does(folder, digits):
    job = job_in(folder, launcher="plain", strategy="dp", workers=2)
    worker.train_job(
        job, Replica(gpus=2), torch.device("cpu"), lambda: {"digits": digits}, START_UP
    )
    trial = trial_in(folder)
    assert same(trial.records(), serial_records(digits))
    facts = trial.state()["data_parallel"]
    assert (facts["workers"], facts["strategy"]) == (2, "dp")
    assert set(trial.timings()["rank"]) == {0}
