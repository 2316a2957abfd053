"""Several workers learn from a run what one worker learns."""

import copy

import pytest
import torch
from torch import nn

from lenet import datasets, training
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import Replica, Shard, share_masks
from lenet.models.dropout import Dropout
from lenet.step_clock import NO_CLOCK, StepClock
from tests.comparison import same
from tests.own_models import Linear
from tests.unit.worker_threads import run_together, team

SHORT = TrainConfig(dataset="digits", train_samples=90, batch_size=32, epochs=2)


class Frozen(Linear):
    """Has a layer that is not trained, and one that the forward pass does not use."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.frozen = nn.Linear(10, 10).requires_grad_(False)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.frozen(super().forward(x))


class NormalizedByBatch(Linear):
    """Normalizes without running means."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.norm = nn.BatchNorm1d(10, track_running_stats=False)


class WithConstants(Linear):
    """Has buffers that do not depend on the batch."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.register_buffer("mean", torch.zeros(1), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))


def records_of(config, dataset, **keywords):
    return list(training.train(training.Run(config, dataset, **keywords)))


def runs_on(workers, config, dataset):
    """Create the run of each worker."""
    # One after the other: threads share the global random state, which initializes the weights.
    return [training.Run(config, dataset, replica=replica) for replica in team(workers)]


def train_all(runs):
    """Return the records of each of the runs, which train together."""
    return run_together([lambda run=run: list(training.train(run)) for run in runs])


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 5, 128])
def test_every_sample_is_in_one_shard(workers, samples):
    shards = [range(samples)[Replica(rank, workers).shard(samples)] for rank in range(workers)]
    assert [i for shard in shards for i in shard] == list(range(samples))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_records_equal_those_of_one_worker(workers, digits):
    # 90 samples in batches of 32: the last batch has 26, which neither 3 nor 4 divides.
    alone = records_of(SHORT, digits)
    for records in train_all(runs_on(workers, SHORT, digits)):
        assert same(records, alone, rel=1e-4)


def test_one_worker_is_the_serial_run_to_the_last_digit(digits):
    (records,) = train_all(runs_on(1, SHORT.replace(dropout=0.5), digits))
    assert same(records, records_of(SHORT.replace(dropout=0.5), digits))


def test_a_batch_smaller_than_the_workers(digits):
    # 31 samples in batches of 10: the last batch has one, so three of four shards are empty.
    config = SHORT.replace(train_samples=31, batch_size=10, optimizer="sgd", lr=0.05)
    alone = records_of(config, digits)
    for records in train_all(runs_on(4, config, digits)):
        assert same(records, alone, rel=1e-4)


def test_an_empty_shard_does_not_count():
    def step(replica):
        weight = nn.Parameter(torch.ones(2))
        weight.grad = torch.full((2,), 3.0)
        shard = Shard(slice(0, 1), replica, 1.0, borrowed=replica.rank == 1)
        loss, correct = shard.all_reduce(
            torch.optim.SGD([weight]), torch.tensor(2.0), torch.tensor(1)
        )
        return weight.grad.tolist(), loss.item(), correct.item()

    for result in run_together([lambda r=r: step(r) for r in team(2)]):
        assert result == ([3.0, 3.0], 2.0, 1)


def test_a_worker_without_samples_borrows_one(digits):
    model = training.Run(SHORT, digits).model
    shards = [r.take_shard(model, training.Run(SHORT, digits).loss, 2, NO_CLOCK) for r in team(3)]
    assert [(shard.span, shard.weight, shard.borrowed) for shard in shards] == [
        (slice(0, 1), 0.0, True),
        (slice(0, 1), 0.5, False),
        (slice(1, 2), 0.5, False),
    ]


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
    alone = records_of(config, line)
    for records in train_all(runs_on(3, config, line)):
        assert records[-1].observed == pytest.approx(alone[-1].observed, rel=1e-5)
        assert records[-1].train_loss == pytest.approx(alone[-1].train_loss, rel=1e-5)


def test_all_workers_see_a_divergence(digits):
    config = SHORT.replace(optimizer="sgd", lr=1e6)
    first, second = train_all(runs_on(2, config, digits))
    assert first[-1].diverged
    assert second[-1].diverged
    assert len(first) == len(second)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("model", ["lenet", "deep-mnist"])
def test_dropout_masks_equal_those_of_one_worker(workers, model, digits):
    # 41 samples in batches of 20: the last batch has one, so all shards but one are empty.
    config = SHORT.replace(
        model=model, dropout=0.5, train_samples=41, batch_size=20, validation_fraction=0
    )
    alone = records_of(config, digits)
    for records in train_all(runs_on(workers, config, digits)):
        assert same(records, alone, rel=1e-4)


@pytest.mark.parametrize("shape", [(7, 12), (7, 3, 4, 4)])
def test_the_masks_of_shards_make_up_the_mask_of_the_batch(shape):
    x = torch.rand(shape) + 1
    if len(shape) == 4:
        x = x.to(memory_format=torch.channels_last)
    layer = Dropout(0.5, torch.Generator().manual_seed(0))
    whole = torch.stack([layer(x), layer(x)])
    shards = []
    for replica in (Replica(rank, 3) for rank in range(3)):
        span = replica.shard(len(x))
        layer = Dropout(0.5, torch.Generator().manual_seed(0))
        share_masks(layer, len(x), span)
        shards.append(torch.stack([layer(x[span]), layer(x[span])]))
    assert torch.equal(torch.cat(shards, dim=1), whole)
    assert not torch.equal(whole[0], whole[1])


def test_a_frozen_parameter_does_not_change(digits):
    config = SHORT.replace(model=f"{__name__}:Frozen", optimizer="adamw", weight_decay=0.5)
    runs = runs_on(2, config, digits)
    before = {name: value.clone() for name, value in runs[0].model.state_dict().items()}
    train_all(runs)
    for run in runs:
        after = run.model.state_dict()
        changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
        # `unused` is trainable, but never gets a gradient.
        assert changed == {"layer.weight", "layer.bias"}


def test_a_missing_gradient_counts_as_zero():
    def step(replica):
        parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
        parameters[0].grad = torch.full((2,), 2.0)
        if replica.rank == 1:
            parameters[1].grad = torch.full((2,), 4.0)
        totals = replica.sum_gradients(parameters, 0.5, torch.tensor([1.0, 10.0]))
        return [p.grad for p in parameters], totals

    for gradients, totals in run_together([lambda r=r: step(r) for r in team(2)]):
        assert gradients[0].tolist() == [2.0, 2.0]
        assert gradients[1].tolist() == [2.0, 2.0]
        assert gradients[2] is None
        assert totals.tolist() == [2.0, 20.0]


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("tests.own_models:Normalized", "norm.running_mean"),
        (f"{__name__}:NormalizedByBatch", "norm"),
    ],
)
def test_a_model_that_depends_on_the_batch_is_refused(model, problem, digits):
    config = SHORT.replace(model=model)
    with pytest.raises(ConfigError, match=f"its own {problem} from its shard.*GroupNorm"):
        training.Run(config, digits, replica=team(2)[0])
    training.Run(config, digits)  # one worker has the whole batch


def test_constant_buffers_are_accepted(digits):
    config = SHORT.replace(model=f"{__name__}:WithConstants")
    training.Run(config, digits, replica=team(2)[0])


def test_data_parallel_module_without_gpus_trains_the_same(digits):
    run = training.Run(SHORT, digits, gpus=2)
    assert same(list(training.train(run)), records_of(SHORT, digits))
    # The checkpoint is the model's, without the wrapper.
    training.Run(SHORT, digits).load_state_dict(run.state_dict())
    with pytest.raises(ConfigError, match="one process for each GPU"):
        training.Run(SHORT.replace(dropout=0.5), digits, gpus=2)


def test_two_workers_resume_from_a_checkpoint(digits):
    config = SHORT.replace(dropout=0.5)
    whole = train_all(runs_on(2, config, digits))[0]
    runs = runs_on(2, config, digits)
    run_together([run.advance for run in runs])
    states = run_together([run.state_dict for run in runs])
    resumed = runs_on(2, config, digits)
    for run in resumed:
        # The first worker's checkpoint fits all workers.
        run.load_state_dict(copy.deepcopy(states[0]))
    assert same(train_all(resumed)[1], whole[1:])


def test_a_different_number_of_workers_resumes_from_a_checkpoint(digits):
    config = SHORT.replace(dropout=0.5)
    alone = training.Run(config, digits)
    whole = [alone.advance()]
    state = copy.deepcopy(alone.state_dict())
    whole.append(alone.advance())
    resumed = runs_on(2, config, digits)
    for run in resumed:
        run.load_state_dict(copy.deepcopy(state))
    for records in train_all(resumed):
        assert same(records, whole[1:], rel=1e-4)


def test_the_clock_covers_all_training_time(digits):
    clocks = [StepClock(torch.device("cpu")) for _ in range(2)]
    runs = [
        training.Run(SHORT, digits, replica=replica, clock=clock)
        for replica, clock in zip(team(2), clocks, strict=True)
    ]
    for clock, records in zip(clocks, train_all(runs), strict=True):
        rows = torch.tensor(clock.read())
        assert rows.shape == (records[-1].step, 3)
        assert (rows > 0).all()
        assert rows.sum() == pytest.approx(records[-1].train_seconds, rel=0.05)
        assert clock.read() == []


def test_one_worker_does_not_communicate(digits):
    clock = StepClock(torch.device("cpu"))
    records_of(SHORT, digits, clock=clock)
    data, compute, communication = torch.tensor(clock.read()).sum(0)
    assert communication == 0
    assert compute > data > 0
