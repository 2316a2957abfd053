"""One run on several workers learns what it learns on one."""

import copy

import pytest
import torch

from lenet import datasets, training
from lenet.config import TrainConfig
from lenet.data_parallel import ALONE, Replica
from lenet.step_clock import StepClock
from tests.unit.worker_threads import team, together

SHORT = TrainConfig(dataset="digits", train_samples=90, batch_size=32, epochs=2)


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


def test_dropout_draws_differ_by_worker(digits):
    config = SHORT.replace(dropout=0.5)
    draws = [
        training.Run(config, digits, replica=replica).state_dict for replica in (ALONE, *team(2))
    ]
    alone = draws[0]()["dropout_draws"]
    first, second = together(draws[1:])[0]["dropout_draws"]
    assert torch.equal(alone[0], first)
    assert not torch.equal(first, second)


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
    assert rest[0].same_learning(whole[1])


def test_a_checkpoint_of_another_number_of_workers_is_refused(digits):
    state = training.Run(SHORT, digits).state_dict()
    with pytest.raises(ValueError, match="of 1 workers, not 2"):
        training.Run(SHORT, digits, replica=team(2)[0]).load_state_dict(state)


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
