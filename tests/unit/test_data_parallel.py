"""One run on several workers learns what it learns on one."""

import copy
import datetime
import json
import math
import os
import shutil
import sys
import threading
import time
from itertools import pairwise

import pytest
import torch
from torch import nn

from lenet import datasets, training
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import Replica, share_masks
from lenet.models.dropout import Dropout
from lenet.step_clock import StepClock
from study.runs.storage import OutOfReach
from study.runs.trial_folder import TrialFolder
from study.scaling import worker
from tests.own_models import Linear, Normalized  # noqa: F401  (a model by its name)
from tests.unit.worker_threads import team, together

SHORT = TrainConfig(dataset="digits", train_samples=90, batch_size=32, epochs=2)


class Frozen(Linear):
    """Has a layer that is not trained, and one that is not used."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.frozen = nn.Linear(10, 10).requires_grad_(False)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.frozen(super().forward(x))


class ByBatch(Linear):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.norm = nn.BatchNorm1d(10, track_running_stats=False)


class WithConstant(Linear):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.register_buffer("mean", torch.zeros(1), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))


def run_on(workers, config, dataset):
    """The records of each worker."""
    # Weights are drawn under a fork of the global random state: one run after the other.
    runs = [training.Run(config, dataset, replica=replica) for replica in team(workers)]
    return together([lambda run=run: list(training.train(run)) for run in runs])


def assert_same_learning(records, others):
    assert len(records) == len(others)
    for one, other in zip(records, others, strict=True):
        assert (one.step, one.samples, one.lr) == (other.step, other.samples, other.lr)
        for name in ("train_loss", "validation_loss", "test_loss"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4, nan_ok=True)
        for name in ("train_accuracy", "validation_accuracy", "test_accuracy"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=0.02, nan_ok=True)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 5, 128])
def test_every_sample_is_one_workers(workers, samples):
    shards = [range(samples)[Replica(rank, workers).shard(samples)] for rank in range(workers)]
    assert [i for shard in shards for i in shard] == list(range(samples))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_the_records_are_those_of_one_worker(workers, digits):
    # 90 samples in batches of 32: the last has 26, which neither 3 nor 4 divides.
    alone = list(training.train(training.Run(SHORT, digits)))
    for records in run_on(workers, SHORT, digits):
        assert_same_learning(records, alone)


def test_a_batch_smaller_than_the_workers(digits):
    # 31 samples in batches of 10: the last has one, which three of four workers do not.
    config = SHORT.replace(train_samples=31, batch_size=10, optimizer="sgd", lr=0.05)
    alone = list(training.train(training.Run(config, digits)))
    for records in run_on(4, config, digits):
        assert_same_learning(records, alone)


def test_a_summed_loss_is_summed_over_workers():
    config = TrainConfig(
        dataset="line",
        model="linear",
        loss="sum-of-squares",
        optimizer="sgd",
        lr=0.01,
        batch_size=4,
        steps=20,
        validation_fraction=0,
    )
    line = datasets.load("line")
    alone = list(training.train(training.Run(config, line)))
    for records in run_on(3, config, line):
        assert records[-1].observed == pytest.approx(alone[-1].observed, rel=1e-5)
        assert records[-1].train_loss == pytest.approx(alone[-1].train_loss, rel=1e-5)


def test_all_workers_see_a_divergence(digits):
    config = SHORT.replace(optimizer="sgd", lr=1e6)
    each = run_on(2, config, digits)
    assert [records[-1].diverged for records in each] == [True, True]
    assert len(each[0]) == len(each[1])


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("model", ["lenet", "deep-mnist"])
def test_dropout_is_that_of_one_worker(workers, model, digits):
    # 41 samples in batches of 20: the last has one, which all workers but one do not.
    config = SHORT.replace(
        model=model, dropout=0.5, train_samples=41, batch_size=20, validation_fraction=0
    )
    alone = list(training.train(training.Run(config, digits)))
    for records in run_on(workers, config, digits):
        assert_same_learning(records, alone)


@pytest.mark.parametrize("shape", [(7, 12), (7, 3, 4, 4)])
def test_the_masks_of_shards_are_those_of_the_whole_batch(shape):
    x = torch.rand(shape) + 1
    if len(shape) == 4:
        x = x.to(memory_format=torch.channels_last)
    layer = Dropout(0.5, torch.Generator().manual_seed(0))
    whole = torch.stack([layer(x), layer(x)])
    shards = []
    for replica in (Replica(rank, 3) for rank in range(3)):
        here = replica.shard(len(x))
        layer = Dropout(0.5, torch.Generator().manual_seed(0))
        share_masks(layer, len(x), here)
        shards.append(torch.stack([layer(x[here]), layer(x[here])]))
    assert torch.equal(torch.cat(shards, dim=1), whole)
    assert not torch.equal(whole[0], whole[1])


def test_a_frozen_parameter_is_left_alone(digits):
    config = SHORT.replace(model=f"{__name__}:Frozen", optimizer="adamw", weight_decay=0.5)
    runs = [training.Run(config, digits, replica=replica) for replica in team(2)]
    before = {name: value.clone() for name, value in runs[0].model.state_dict().items()}
    together([lambda run=run: list(training.train(run)) for run in runs])
    for run in runs:
        after = run.model.state_dict()
        moved = {name for name, value in before.items() if not torch.equal(after[name], value)}
        # `unused` is trained, but no worker ever has a gradient of it.
        assert moved == {"layer.weight", "layer.bias"}


def test_a_gradient_that_one_worker_lacks_is_the_others():
    def step(replica):
        parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
        parameters[0].grad = torch.full((2,), 2.0)
        if replica.rank == 1:
            parameters[1].grad = torch.full((2,), 4.0)
        measured = replica.sum_gradients(parameters, 0.5, torch.tensor([1.0, 10.0]))
        return [p.grad for p in parameters], measured

    for gradients, measured in together([lambda r=r: step(r) for r in team(2)]):
        assert gradients[0].tolist() == [2.0, 2.0]
        assert gradients[1].tolist() == [2.0, 2.0]
        assert gradients[2] is None
        assert measured.tolist() == [2.0, 20.0]


@pytest.mark.parametrize(
    ("model", "named"), [("Normalized", "norm.running_mean"), ("ByBatch", "norm,")]
)
def test_what_depends_on_the_batch_is_refused(model, named, digits):
    config = SHORT.replace(model=f"{__name__}:{model}")
    with pytest.raises(ConfigError, match=f"another {named}.*GroupNorm"):
        training.Run(config, digits, replica=team(2)[0])
    training.Run(config, digits)  # one worker has the whole batch


def test_constants_are_not_refused(digits):
    config = SHORT.replace(model=f"{__name__}:WithConstant")
    training.Run(config, digits, replica=team(2)[0])


def test_data_parallel_without_gpus_trains_the_same(digits):
    alone = list(training.train(training.Run(SHORT, digits)))
    spread = training.Run(SHORT, digits, gpus=2)
    records = list(training.train(spread))
    assert all(a.equal_except_timing(b) for a, b in zip(records, alone, strict=True))
    # A checkpoint is that of the model itself.
    training.Run(SHORT, digits).load_state_dict(spread.state_dict())
    with pytest.raises(ConfigError, match="one process for each GPU"):
        training.Run(SHORT.replace(dropout=0.5), digits, gpus=2)


def test_a_run_of_two_workers_goes_on_from_a_checkpoint(digits):
    config = SHORT.replace(dropout=0.5)
    whole = run_on(2, config, digits)[0]
    runs = [training.Run(config, digits, replica=replica) for replica in team(2)]
    together([run.advance for run in runs])
    states = together([run.state_dict for run in runs])
    resumed = [training.Run(config, digits, replica=replica) for replica in team(2)]
    for run in resumed:
        # The first worker's checkpoint is everybody's.
        run.load_state_dict(copy.deepcopy(states[0]))
    rest = together([lambda run=run: list(training.train(run)) for run in resumed])[1]
    assert len(rest) == 1
    assert rest[0].equal_except_timing(whole[1])


def test_another_number_of_workers_goes_on_from_a_checkpoint(digits):
    config = SHORT.replace(dropout=0.5)
    alone = training.Run(config, digits)
    whole = [alone.advance()]
    state = copy.deepcopy(alone.state_dict())
    whole.append(alone.advance())
    resumed = [training.Run(config, digits, replica=replica) for replica in team(2)]
    for run in resumed:
        run.load_state_dict(copy.deepcopy(state))
    for records in together([lambda run=run: list(training.train(run)) for run in resumed]):
        assert_same_learning(records, whole[1:])


def test_the_clock_accounts_for_all_training_time(digits):
    clocks = [StepClock(torch.device("cpu")) for _ in range(2)]
    runs = [
        training.Run(SHORT, digits, replica=replica, clock=clock)
        for replica, clock in zip(team(2), clocks, strict=True)
    ]
    records = together([lambda run=run: list(training.train(run)) for run in runs])
    for clock, run_records in zip(clocks, records, strict=True):
        rows = torch.tensor(clock.read())
        assert rows.shape == (run_records[-1].step, 3)
        assert (rows > 0).all()
        assert rows.sum() == pytest.approx(run_records[-1].train_seconds, rel=0.05)
        assert clock.read() == []


def test_one_worker_spends_nothing_on_communication(digits):
    clock = StepClock(torch.device("cpu"))
    list(training.train(training.Run(SHORT, digits, clock=clock)))
    data, compute, communication = torch.tensor(clock.read()).sum(0)
    assert communication == 0
    assert compute > data > 0


# What several workers do together in a run's folder: `study.scaling.worker`.

POINT = "ray_2cpu_point"
START_UP = {"ray_seconds": 7.0, "launch_seconds": 3.0, "group_seconds": 0.5}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run's folder. Weights are drawn one run after the other: see `run_on`."""
    lock = threading.Lock()

    def one_by_one(*arguments, **keywords):
        with lock:
            return training.Run(*arguments, **keywords)

    monkeypatch.setattr(worker, "Run", one_by_one)
    made = tmp_path / "run"
    (made / "trials").mkdir(parents=True)
    (made / "run.json").write_text("{}")
    return made


def job_in(folder, **changes):
    return {
        "launch": "ray-2cpu-repeat0",
        "launcher": "ray",
        "processor": "cpu",
        "workers": 2,
        "oversubscribed": False,
        "threads": 1,
        "run_folder": str(folder),
        "points": [{"name": POINT, "settings": SHORT.to_dict()}],
        "requested_at": time.time(),
        **changes,
    }


def work(dataset, *jobs, slower=0.0):
    """What became of each worker of a launch, of which each sees a job of its own: None or an
    error. To start each took `slower` more than the one before."""

    def one(job, replica):
        start_up = {**START_UP, "launch_seconds": 3.0 + slower * replica.rank}
        try:
            worker.train_job(
                job, replica, torch.device("cpu"), lambda: {"digits": dataset}, start_up
            )
        except Exception as error:
            return error
        return None

    each = zip(jobs, team(len(jobs)), strict=True)
    return together([lambda job=job, replica=replica: one(job, replica) for job, replica in each])


def test_a_process_that_fails_leaves_its_reason_beside_its_job(tmp_path, monkeypatch):
    job = job_in(tmp_path / "gone", launcher="plain", workers=1, driver=os.getpid())
    path = tmp_path / "plain-1cpu-repeat0.json"
    path.write_text(json.dumps(job | {"data_dir": None}))
    monkeypatch.setattr(sys, "argv", ["replica", str(path)])
    with pytest.raises(OutOfReach):
        worker.main()
    said = worker.failure_of(path).read_text()
    assert said.startswith(f"OutOfReach: {tmp_path / 'gone'} is not on ")


def dies_behind_its_first_record(run):
    yield run.advance()
    raise RuntimeError("made to die")


def test_workers_train_a_point_and_say_how_long_the_slowest_took_to_start(folder, digits):
    job = job_in(folder)
    assert work(digits, job, job, slower=2.0) == [None, None]
    trial = TrialFolder(folder / "trials" / POINT)
    alone = list(training.train(training.Run(SHORT, digits)))
    assert_same_learning(trial.records(), alone)
    said = trial.state()["data_parallel"]
    assert (said["launch_seconds"], said["ray_seconds"]) == (5.0, 7.0)
    assert said["machines"] == 1
    assert said["load_seconds"] < 5
    rows = trial.timings()
    steps = list(range(1, alone[-1].step + 1))
    for rank in (0, 1):
        assert [row["step"] for row in rows if row["rank"] == rank] == steps
    assert {row["begun_at"] for row in rows} == {0}
    assert all(row["communication_seconds"] > 0 for row in rows)


def test_a_launch_that_is_tried_again(folder, digits, monkeypatch):
    job = job_in(folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", dies_behind_its_first_record)
        assert all(isinstance(error, RuntimeError) for error in work(digits, job, job))
    trial = TrialFolder(folder / "trials" / POINT)
    assert trial.state()["data_parallel"]["launch_seconds"] == 3.0
    first = [row for row in trial.timings() if row["rank"] == 0]
    assert len(first) == trial.records()[-1].step

    assert work(digits, job, job) == [None, None]
    state = trial.state()
    assert state["attempts"] == 2
    # What has passed since the launch was asked for is not what it took to start.
    assert math.isnan(state["data_parallel"]["launch_seconds"])
    assert state["data_parallel"]["group_seconds"] == 0.5
    assert_same_learning(trial.records(), list(training.train(training.Run(SHORT, digits))))
    for rank in (0, 1):
        rows = [row for row in trial.timings() if row["rank"] == rank]
        assert all(b["step"] == a["step"] + 1 for a, b in pairwise(rows))
        assert rows[-1]["step"] == trial.records()[-1].step
        assert [row["begun_at"] for row in rows[: len(first)]] == [0] * len(first)
        assert {row["begun_at"] for row in rows[len(first) :]} == {len(first)}


def test_steps_behind_the_checkpoint_are_timed_once(folder, digits, monkeypatch):
    job = job_in(folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", dies_behind_its_first_record)
        # It dies between the two: what was timed is not in a checkpoint.
        patched.setattr(TrialFolder, "save", lambda *given: None)
        work(digits, job, job)
    assert work(digits, job, job) == [None, None]
    rows = TrialFolder(folder / "trials" / POINT).timings()
    assert len(rows) == len({(row["rank"], row["step"]) for row in rows})
    assert {row["begun_at"] for row in rows} == {0}


def test_a_resumed_run_starts_anew(folder, digits, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", dies_behind_its_first_record)
        work(digits, job_in(folder), job_in(folder))
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    job = job_in(folder, requested_at=later.timestamp())
    assert work(digits, job, job) == [None, None]
    state = TrialFolder(folder / "trials" / POINT).state()
    assert (state["attempts"], state["data_parallel"]["launch_seconds"]) == (2, 3.0)


def test_a_folder_that_one_worker_does_not_find(folder, digits, tmp_path):
    found, lost = work(digits, job_in(folder), job_in(tmp_path / "elsewhere"))
    for error in (found, lost):
        assert isinstance(error, OutOfReach)
        assert "must lie in a folder that every node reaches, or in a bucket" in str(error)
    assert "cannot be used on the machine of worker 1" in str(found)
    assert str(tmp_path / "elsewhere") in str(lost)
    assert not list((folder / "trials").iterdir())


def test_workers_that_find_other_checkpoints(folder, digits, tmp_path, monkeypatch):
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    job = job_in(folder)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train", dies_behind_its_first_record)
        work(digits, job, job)
    for error in work(digits, job, job_in(old)):
        assert isinstance(error, RuntimeError)
        assert "find other checkpoints" in str(error)
        assert "of steps 3, 0" in str(error)


def test_what_is_complete_is_for_the_first_worker_to_say(folder, digits, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    job = job_in(folder)
    work(digits, job, job)
    assert work(digits, job, job_in(old)) == [None, None]
    assert TrialFolder(folder / "trials" / POINT).state()["attempts"] == 1
    assert not list((old / "trials").iterdir())


def test_one_process_for_several_gpus_keeps_what_one_worker_does(folder, digits):
    job = job_in(folder, launcher="dataparallel", workers=2)
    assert work(digits, job) == [None]
    trial = TrialFolder(folder / "trials" / POINT)
    alone = list(training.train(training.Run(SHORT, digits)))
    assert all(a.equal_except_timing(b) for a, b in zip(trial.records(), alone, strict=True))
    assert trial.state()["data_parallel"]["workers"] == 2
    assert {row["rank"] for row in trial.timings()} == {0}
