"""Several workers learn from a run what one worker learns."""

import pytest
import torch
from torch import nn

from lenet import datasets, training
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import Replica, check_shardable, share_masks, take_shard
from lenet.losses import CROSS_ENTROPY, SUM_OF_SQUARES
from lenet.models.dropout import Dropout
from lenet.step_clock import StepClock
from tests.comparison import same
from tests.own_models import Linear, Normalized
from tests.unit.gloo_workers import gloo_workers

SHORT = TrainConfig(dataset="digits", train_samples=90, batch_size=32, epochs=2)
MODEL = {"input_shape": (1, 8, 8), "classes": 10, "dropout": 0.0, "generator": None}
BOTH = pytest.mark.parametrize("strategy", ["ddp", "explicit"])


class Frozen(Linear):
    """Has a layer that is not trained, and one that the forward pass does not use."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.frozen = nn.Linear(10, 10).requires_grad_(False)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.frozen(super().forward(x))


class UsedByFew(Linear):
    """Has a layer that only the brightest images use: few shards have one."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.bright = nn.Linear(self.layer.in_features, 10)

    def forward(self, x):
        outputs = super().forward(x)
        for i in (x.mean((1, 2, 3)) > 0.36).nonzero().flatten().tolist():
            outputs = outputs.index_add(0, torch.tensor([i]), self.bright(x[i].reshape(1, -1)))
        return outputs


class NormalizedByBatch(Linear):
    """Normalizes without running means."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.norm = nn.BatchNorm1d(10, track_running_stats=False)


class WithMean(Linear):
    """Has a buffer that might depend on the batch."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.register_buffer("mean", torch.zeros(1))


class WithConstants(Linear):
    """Has buffers that do not depend on the batch."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.register_buffer("mean", torch.zeros(1), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))


@pytest.fixture(scope="module")
def workers():
    """Real processes with gloo between them."""
    with gloo_workers() as running:
        yield running


# What a worker runs.


def records_of(replica, config, dataset, state=None):
    run = training.Run(config, dataset, replica=replica)
    if state is not None:
        run.load_state_dict(state)
    return list(training.train(run))


def state_after_one_record(replica, config, dataset):
    run = training.Run(config, dataset, replica=replica)
    run.advance()
    return run.state_dict()


def weights_before_and_after(replica, config, dataset):
    run = training.Run(config, dataset, replica=replica)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    list(training.train(run))
    return before, run.model.state_dict()


def forward_of(replica, config, dataset):
    return type(training.Run(config, dataset, replica=replica).forward).__name__


def step_seconds(replica, config, dataset):
    clock = StepClock(torch.device("cpu"))
    *_, last = training.train(training.Run(config, dataset, replica=replica, clock=clock))
    return clock.read(), clock.read(), last.train_seconds


def alone(config, dataset):
    return records_of(Replica(), config, dataset)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 5, 128])
def test_every_sample_is_in_one_shard(workers, samples):
    shards = [range(samples)[Replica(rank, workers).shard(samples)] for rank in range(workers)]
    assert [i for shard in shards for i in shard] == list(range(samples))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_the_strategy_decides_what_runs_the_forward_pass(workers, digits):
    for strategy, expected in (("ddp", "DistributedDataParallel"), ("explicit", "LeNet")):
        assert workers.run(2, forward_of, SHORT, digits, strategy=strategy) == [expected] * 2
    assert workers.run(1, forward_of, SHORT, digits) == ["LeNet"]


@pytest.mark.parametrize(
    ("count", "strategy"), [(2, "ddp"), (3, "ddp"), (4, "ddp"), (3, "explicit")]
)
def test_records_equal_those_of_one_worker(count, strategy, workers, digits):
    # 90 samples in batches of 32: the last batch has 26, which neither 3 nor 4 divides.
    expected = alone(SHORT, digits)
    for records in workers.run(count, records_of, SHORT, digits, strategy=strategy):
        assert same(records, expected, rel=1e-4)


@BOTH
def test_a_full_batch_is_shared_among_the_workers(strategy, workers, digits):
    config = SHORT.replace(batch_size=1_000, dropout=0.5, epochs=4)
    expected = alone(config, digits)
    for records in workers.run(3, records_of, config, digits, strategy=strategy):
        assert same(records, expected, rel=1e-4)


def test_one_worker_is_the_serial_run_to_the_last_digit(workers, digits):
    config = SHORT.replace(dropout=0.5)
    (records,) = workers.run(1, records_of, config, digits)
    assert same(records, alone(config, digits))


@BOTH
def test_a_batch_smaller_than_the_workers(strategy, workers, digits):
    # 31 samples in batches of 10: the last batch has one, so three of four shards are empty.
    config = SHORT.replace(train_samples=31, batch_size=10, optimizer="sgd", lr=0.05)
    expected = alone(config, digits)
    for records in workers.run(4, records_of, config, digits, strategy=strategy):
        assert same(records, expected, rel=1e-4)


def test_a_worker_without_samples_borrows_one_that_does_not_count():
    shards = [take_shard(Replica(rank, 3), Linear(**MODEL), CROSS_ENTROPY, 2) for rank in range(3)]
    assert [(shard.span, shard.weight) for shard in shards] == [
        (slice(0, 1), 0.0),
        (slice(0, 1), 0.5),
        (slice(1, 2), 0.5),
    ]
    assert [int(shard.count(torch.tensor(7))) for shard in shards] == [0, 7, 7]
    assert take_shard(Replica(0, 3), Linear(**MODEL), SUM_OF_SQUARES, 2).weight == 0


def test_a_worker_without_samples_adds_nothing_to_the_means_of_batch_normalization():
    shard = take_shard(Replica(0, 3), Normalized(**MODEL), CROSS_ENTROPY, 2)
    assert shard.span == slice(0, 0)
    layer = nn.Linear(4, 10)
    loss = shard.loss(layer(torch.zeros(0, 4)), torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert not layer.weight.grad.any()


def test_a_summed_loss_is_summed_over_workers(workers):
    config = TrainConfig(
        dataset="line",
        model="linear",
        loss="sum-of-squares",
        optimizer="sgd",
        lr=0.01,
        batch_size=4,
        epochs=None,
        steps=20,
        validation_fraction=0,
    )
    line = datasets.load("line")
    expected = alone(config, line)
    for records in workers.run(3, records_of, config, line):
        assert records[-1].observed == pytest.approx(expected[-1].observed, rel=1e-5)
        assert records[-1].train_loss == pytest.approx(expected[-1].train_loss, rel=1e-5)


def test_all_workers_see_a_divergence(workers, digits):
    config = SHORT.replace(optimizer="sgd", lr=1e6)
    first, second = workers.run(2, records_of, config, digits)
    assert first[-1].diverged
    assert second[-1].diverged
    assert len(first) == len(second)


@pytest.mark.parametrize(("model", "count"), [("lenet", 2), ("lenet", 4), ("deep-mnist", 2)])
def test_dropout_masks_equal_those_of_one_worker(model, count, workers, digits):
    # 41 samples in batches of 20: the last batch has one, so all shards but one are empty.
    config = SHORT.replace(
        model=model, dropout=0.5, train_samples=41, batch_size=20, validation_fraction=0
    )
    expected = alone(config, digits)
    for records in workers.run(count, records_of, config, digits):
        assert same(records, expected, rel=1e-4)


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


@BOTH
def test_a_frozen_parameter_does_not_change(strategy, workers, digits):
    config = SHORT.replace(model=f"{__name__}:Frozen", optimizer="adamw", weight_decay=0.5)
    for before, after in workers.run(
        2, weights_before_and_after, config, digits, strategy=strategy
    ):
        changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
        # `unused` is trainable, but never gets a gradient.
        assert changed == {"layer.weight", "layer.bias"}


@BOTH
def test_a_gradient_that_a_worker_lacks_counts_as_zero(strategy, workers, digits):
    config = SHORT.replace(model=f"{__name__}:UsedByFew", batch_size=8, lr=0.05)
    expected = alone(config, digits)
    assert not same(alone(config.replace(model="tests.own_models:Linear"), digits), expected)
    for records in workers.run(4, records_of, config, digits, strategy=strategy):
        assert same(records, expected, rel=1e-4)


@pytest.mark.parametrize(
    ("model", "on_gpus", "reason"),
    [
        (Normalized, False, "normalize norm by its own shard.*SyncBatchNorm runs only on GPUs"),
        (NormalizedByBatch, False, "SyncBatchNorm runs only on GPUs"),
        (NormalizedByBatch, True, "without running means, norm would evaluate by its own shard"),
        (WithMean, True, "compute its own mean from its shard.*persistent=False"),
    ],
)
def test_a_model_that_depends_on_the_batch_is_refused(model, on_gpus, reason):
    with pytest.raises(ConfigError, match=f"model=own .* several workers: .*{reason}"):
        check_shardable(model(**MODEL), "own", sync_batch_norm=on_gpus)


def test_models_that_do_not_depend_on_the_batch_are_accepted():
    check_shardable(WithConstants(**MODEL), "own", sync_batch_norm=False)
    check_shardable(Normalized(**MODEL), "own", sync_batch_norm=True)  # on GPUs


def test_workers_refuse_batch_normalization_on_cpus_and_one_worker_trains_it(workers, digits):
    config = SHORT.replace(model="tests.own_models:Normalized")
    with pytest.raises(ConfigError, match="SyncBatchNorm"):
        workers.run(2, records_of, config, digits)
    # The reason: once PyTorch synchronizes on CPUs, too, nothing needs to be refused.
    with pytest.raises(ValueError, match="expected input tensor to be on GPU"):
        workers.run(2, synchronized_norm)
    workers.run(1, records_of, config, digits)


def synchronized_norm(_):
    nn.SyncBatchNorm(3)(torch.ones(2, 3))


def test_data_parallel_module_without_gpus_trains_the_same(digits):
    run = training.Run(SHORT, digits, replica=Replica(gpus=2))
    assert isinstance(run.forward, nn.DataParallel)
    assert same(list(training.train(run)), alone(SHORT, digits))
    # The checkpoint is the model's, without the wrapper.
    training.Run(SHORT, digits).load_state_dict(run.state_dict())
    with pytest.raises(ConfigError, match="one process for each GPU"):
        training.Run(SHORT.replace(dropout=0.5), digits, replica=Replica(gpus=2))


def test_two_workers_resume_from_a_checkpoint(workers, digits):
    config = SHORT.replace(dropout=0.5)
    whole = workers.run(2, records_of, config, digits)[0]
    states = workers.run(2, state_after_one_record, config, digits)
    # The first worker's checkpoint fits all workers.
    assert same(workers.run(2, records_of, config, digits, states[0])[1], whole[1:])


def test_a_different_number_of_workers_resumes_from_a_checkpoint(workers, digits):
    config = SHORT.replace(dropout=0.5)
    whole = alone(config, digits)
    state = state_after_one_record(Replica(), config, digits)
    for records in workers.run(2, records_of, config, digits, state):
        assert same(records, whole[1:], rel=1e-4)


@BOTH
def test_the_clock_covers_all_training_time(strategy, workers, digits):
    for first, later, seconds in workers.run(2, step_seconds, SHORT, digits, strategy=strategy):
        rows = torch.tensor(first)
        assert rows.shape == (6, 3)
        assert (rows > 0).all()
        assert rows.sum() == pytest.approx(seconds, rel=0.05)
        assert later == []


def test_one_worker_does_not_communicate(digits):
    rows, _, _ = step_seconds(Replica(), SHORT, digits)
    data, compute, communication = torch.tensor(rows).sum(0)
    assert communication == 0
    assert compute > data > 0
