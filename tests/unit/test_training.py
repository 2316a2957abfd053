"""The training loop: determinism, resuming, divergence, schedules, optimizers."""

import copy
import dataclasses
import math

import pytest
import torch

from lenet import ConfigError, TrainConfig, datasets, losses, registry, training
from lenet.optimizers import build_optimizer
from lenet.run_length import RunLength
from lenet.schedules import learning_rate
from tests.comparison import same

SMALL = TrainConfig(dataset="digits", train_samples=250, batch_size=32, epochs=3, dropout=0.3)


def records_of(config, dataset):
    return list(training.train(training.Run(config, dataset)))


def test_records_count_steps_samples_and_epochs(digits):
    records = records_of(SMALL, digits)
    # 250 samples in batches of 32: seven full batches and one of 26.
    assert [r.step for r in records] == [8, 16, 24]
    assert [r.samples for r in records] == [250, 500, 750]
    assert [r.epoch for r in records] == [1, 2, 3]
    assert all(r.validation_accuracy >= 0 for r in records)
    assert [math.isnan(r.test_accuracy) for r in records] == [True, True, False]
    assert records[0].train_seconds < records[1].train_seconds < records[2].train_seconds


def test_the_record_interval_does_not_change_training(digits):
    by_epoch = records_of(SMALL, digits)
    by_steps = records_of(SMALL.replace(record_every=5), digits)
    assert [r.step for r in by_steps] == [5, 10, 15, 20, 24]
    assert by_steps[-1].validation_loss == by_epoch[-1].validation_loss
    assert by_steps[1].samples == 250 + 2 * 32


def test_a_record_has_the_lowest_and_the_highest_loss_of_its_steps(digits):
    each = records_of(SMALL.replace(steps=11, record_every=1), digits)
    every_fifth = records_of(SMALL.replace(steps=11, record_every=5), digits)
    losses_of = [record.train_loss for record in each]
    for record, span in zip(every_fifth, (slice(0, 5), slice(5, 10), slice(10, 11)), strict=True):
        assert record.lowest_train_loss == min(losses_of[span])
        assert record.highest_train_loss == max(losses_of[span])
    assert every_fifth[0].lowest_train_loss < every_fifth[0].highest_train_loss


def test_steps_limit_a_run(digits):
    assert [r.step for r in records_of(SMALL.replace(steps=10), digits)] == [8, 10]


@pytest.mark.parametrize(
    ("epochs", "steps", "total"), [(2, None, 16), (None, 30, 30), (2, 30, 16), (2, 9, 9)]
)
def test_a_run_ends_at_whichever_of_epochs_and_steps_comes_first(epochs, steps, total):
    config = SMALL.replace(epochs=epochs, steps=steps)
    assert RunLength(config, 250).total_steps == total


def test_lenet_learns(digits):
    config = TrainConfig(dataset="digits", optimizer="adam", lr=0.001, batch_size=32, epochs=8)
    last = records_of(config, digits)[-1]
    assert last.test_accuracy > 0.93
    assert last.train_loss < 0.2


def test_the_same_config_gives_the_same_records(digits):
    assert same(records_of(SMALL, digits), records_of(SMALL, digits))


@pytest.mark.parametrize("change", [{"seed": 1}, {"lr": 0.002}, {"dropout": 0.0}])
def test_a_different_config_gives_different_records(change, digits):
    one, other = records_of(SMALL, digits), records_of(SMALL.replace(**change), digits)
    assert one[0].train_loss != other[0].train_loss


def test_runs_in_one_process_do_not_affect_each_other(digits):
    alone = records_of(SMALL, digits)
    one, other = (training.Run(SMALL.replace(seed=seed), digits) for seed in (0, 5))
    state_before = torch.get_rng_state()
    together = []
    while not one.finished:
        together.append(one.advance())
        other.advance()
        torch.randperm(10)  # other code draws from the global generator
    assert same(together, alone)
    torch.set_rng_state(state_before)


@pytest.mark.parametrize("optimizer", sorted(registry.OPTIMIZERS))
def test_a_resumed_run_gives_the_same_records(optimizer, digits):
    config = SMALL.replace(optimizer=optimizer, schedule="exponential", lr=0.01)
    whole = records_of(config, digits)
    first = training.Run(config, digits)
    record = first.advance()
    state = copy.deepcopy(first.state_dict())
    first.advance()  # must not change the state
    second = training.Run(config, digits)
    second.load_state_dict(state)
    assert same([record, *training.train(second)], whole)


def test_a_run_of_full_batches_resumes(digits):
    config = SMALL.replace(batch_size=10_000, epochs=4, lr=0.01)
    first = training.Run(config, digits)
    records = [first.advance(), first.advance()]
    second = training.Run(config, digits)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert same([*records, *training.train(second)], records_of(config, digits))


def test_a_run_stops_when_its_loss_blows_up(digits):
    ramp = SMALL.replace(
        optimizer="sgd", schedule="ramp-exponential", lr=1e-3, final_lr=100.0, epochs=40
    )
    ramp = ramp.replace(record_every=1, evaluate_at=())
    whole = records_of(ramp, digits)
    limited = ramp.replace(blow_up=1.5)
    records = records_of(limited, digits)
    assert not records[-1].diverged
    assert same(records[:-1], whole[: len(records) - 1])
    assert len(records) < len(whole)
    assert math.isfinite(records[-1].validation_accuracy)
    # The running mean decides, so one bad batch is no blow-up.
    mean, lowest = records[0].train_loss, math.inf
    for record in records:
        mean = 0.9 * mean + 0.1 * record.train_loss
        lowest = min(lowest, mean)
    assert mean > 1.5 * lowest
    # A resumed run stops at the same step.
    first = training.Run(limited, digits)
    before = [first.advance() for _ in range(len(records) // 2)]
    second = training.Run(limited, digits)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert same([*before, *training.train(second)], records)


def test_divergence_ends_a_run_with_a_record(digits):
    records = records_of(SMALL.replace(optimizer="sgd", lr=1e6, epochs=50), digits)
    assert records[-1].diverged
    assert not math.isfinite(records[-1].train_loss)
    assert records[-1].step < 50 * 8
    assert not any(r.diverged for r in records[:-1])


def test_divergence_in_the_last_step_is_detected(digits):
    config = SMALL.replace(optimizer="sgd", lr=1e30, steps=1)
    (record,) = records_of(config, digits)
    assert math.isfinite(record.train_loss)  # from before the update that diverged
    assert record.diverged


def test_a_state_from_another_kind_of_device_is_refused(digits):
    run = training.Run(SMALL, digits)
    with pytest.raises(ValueError, match="on cuda, not cpu"):
        training.Run(SMALL, digits).load_state_dict(run.state_dict() | {"device": "cuda"})


def test_without_shuffling_all_epochs_have_the_same_order(digits):
    def orders(shuffle):
        run = training.Run(SMALL.replace(shuffle=shuffle), digits)
        return [torch.cat([batch_at(run, step + i) for i in range(8)]) for step in range(0, 24, 8)]

    def batch_at(run, step):
        run.step = step
        return run._order.batch(run.step)

    shuffled, fixed = orders(True), orders(False)
    for order in (*shuffled, *fixed):
        assert sorted(order.tolist()) == list(range(250))
    assert torch.equal(fixed[0], fixed[1])
    assert not torch.equal(shuffled[0], shuffled[1])


def test_a_batch_size_above_the_data_size_takes_all_samples(digits):
    records = records_of(SMALL.replace(batch_size=10_000, epochs=2), digits)
    assert [r.samples for r in records] == [250, 500]


def test_a_full_batch_is_neither_shuffled_nor_copied(digits, monkeypatch):
    full = SMALL.replace(batch_size=10_000, epochs=2)
    in_order = records_of(full.replace(shuffle=False), digits)
    monkeypatch.setattr(torch, "randperm", None)
    monkeypatch.setattr(torch.Tensor, "index_select", None)
    shuffled = records_of(full, digits)
    for one, other in zip(shuffled, in_order, strict=True):
        assert one.equal_except_timing(other)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"schedule": "exponential", "gamma": 0.5}, [1, 0.5, 0.25, 0.125]),
        ({"schedule": "exponential"}, [1, 0.95, 0.95**2, 0.95**3]),
        ({"schedule": "multistep", "milestones": (1, 3)}, [1, 0.1, 0.1, 0.01]),
    ],
)
def test_schedules(settings, expected):
    rate = learning_rate(TrainConfig(lr=2.0, **settings), steps_per_epoch=10, total_steps=100)
    for epoch, factor in enumerate(expected):
        assert rate(epoch * 10) == pytest.approx(2 * factor)
        assert rate(epoch * 10 + 9) == pytest.approx(2 * factor)


def test_a_decay_by_steps_ignores_epochs():
    config = TrainConfig(lr=2.0, schedule="exponential", gamma=0.5, decay_steps=4)
    rate = learning_rate(config, steps_per_epoch=10, total_steps=100)
    assert [rate(step) for step in (0, 3, 4, 8, 11, 12)] == [2, 2, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "ramp-exponential", "final_lr": 1.0}, {0: 1e-4, 5: 1e-2, 10: 1.0}),
        ({"schedule": "ramp-linear", "final_lr": 1.0}, {0: 1e-4, 5: 0.50005, 10: 1.0}),
        # Four steps an epoch: half of one is two.
        ({"schedule": "ramp-multistep"}, {0: 1e-4, 1: 1e-4, 2: 1.5e-4, 3: 1.5e-4, 4: 2.25e-4}),
        ({"schedule": "ramp-multistep", "gamma": 2}, {10: 32e-4}),
        ({"schedule": "ramp-multistep-epoch"}, {0: 1e-4, 3: 1e-4, 4: 1.5e-4, 8: 2.25e-4}),
    ],
)
def test_ramps_increase_to_their_end(settings, expected):
    rate = learning_rate(TrainConfig(lr=1e-4, **settings), steps_per_epoch=4, total_steps=11)
    assert {step: rate(step) for step in expected} == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(registry.OPTIMIZERS))
def test_an_optimizer_by_name_equals_torchs(name):
    """Three steps on a quadratic agree with the torch class at its defaults."""
    by_hand = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.1),
        "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
        "adadelta": lambda p: torch.optim.Adadelta(p, lr=0.1),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1),
    }
    if name not in by_hand:
        pytest.skip("our own class, tested elsewhere")
    results = []
    for build in (by_hand[name], lambda p: build_optimizer(TrainConfig(optimizer=name, lr=0.1), p)):
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        optimizer = build([weight])
        for _ in range(3):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()
        results.append(weight.detach())
    torch.testing.assert_close(results[0], results[1])


def test_settings_reach_the_optimizer():
    weight = [torch.nn.Parameter(torch.zeros(1))]
    config = TrainConfig(optimizer="adam", beta1=0.5, eps=1e-3, weight_decay=0.1)
    group = build_optimizer(config, weight).param_groups[0]
    assert group["betas"] == (0.5, 0.999)
    assert (group["eps"], group["weight_decay"]) == (1e-3, 0.1)


def test_a_value_that_only_one_optimizer_rejects():
    config = TrainConfig(optimizer="proximal-adagrad", initial_accumulator=0)
    with pytest.raises(ConfigError, match="proximal-adagrad rejects its settings"):
        build_optimizer(config, [torch.nn.Parameter(torch.zeros(1))])


@pytest.mark.parametrize("name", sorted(set(registry.MODELS) - registry.REGRESSIONS))
def test_every_model_trains(name, digits):
    config = SMALL.replace(model=name, dropout=0.0, steps=3)
    assert math.isfinite(records_of(config, digits)[-1].test_loss)


def test_mean_squared_error_compares_with_one_hot_classes(digits):
    outputs = torch.tensor([[0.5, 0.0, 1.0], [1.0, 0.0, 0.0]])
    targets = torch.tensor([2, 1])
    # (0.25 + 0 + 0 + 1 + 1 + 0) / 6
    assert losses.MEAN_SQUARED_ERROR(outputs, targets).item() == pytest.approx(2.25 / 6)
    settings = {"model": "3ls", "loss": "mse", "optimizer": "adam", "lr": 0.01, "dropout": 0.0}
    records = records_of(SMALL.replace(**settings, epochs=20), digits)
    assert records[-1].train_loss < records[0].train_loss < 1
    assert records[-1].validation_accuracy > 0.6


LINE = TrainConfig(
    dataset="line",
    model="linear",
    loss="sum-of-squares",
    validation_fraction=0,
    optimizer="sgd",
    lr=0.01,
    batch_size=4,
    epochs=None,
    steps=1000,
    record_every=100,
    test_curve=True,
)


def test_the_line_of_the_tutorial():
    """W, b and the loss equal what TensorFlow 1's first tutorial prints after 1000 steps."""
    records = records_of(LINE, datasets.load("line"))
    last = records[-1]
    assert last.step == 1000
    assert last.observed["W"] == pytest.approx(-0.9999969, abs=2.5e-6)
    assert last.observed["b"] == pytest.approx(0.9999908, abs=2.5e-6)
    assert last.test_loss == pytest.approx(5.69997e-11, abs=2e-10)
    # The training loss is a mean over 100 steps, so it exceeds the loss after the last.
    assert records[0].train_loss > records[0].test_loss > records[1].test_loss
    for unknown in (last.validation_loss, last.train_accuracy, last.test_accuracy):
        assert math.isnan(unknown)
    # The seed only changes the order of the four terms of a sum.
    other = records_of(LINE.replace(seed=7), datasets.load("line"))
    assert other[0].observed == pytest.approx(records[0].observed, abs=1e-6)


def test_a_first_step_on_the_line_by_hand():
    """Residuals 0, 1.3, 2.6, 3.9 give a loss of 23.66 and gradients of 52 and 15.6."""
    (record,) = records_of(LINE.replace(steps=1), datasets.load("line"))
    assert record.train_loss == pytest.approx(23.66)
    assert record.observed == pytest.approx({"W": 0.3 - 0.52, "b": -0.3 - 0.156})


def test_held_out_data_are_evaluated_at_the_given_steps(digits):
    config = SMALL.replace(epochs=1, record_every=3, evaluate_at="2+6", test_curve=True)
    records = records_of(config, digits)
    # Eight steps: records at every third, at the given steps and at the end.
    assert [r.step for r in records] == [2, 3, 6, 8]
    for split in ("validation", "test"):
        evaluated = [r.step for r in records if math.isfinite(getattr(r, f"{split}_loss"))]
        assert evaluated == [2, 6, 8]
    assert RunLength(config, 250).evaluations == 3
    config = SMALL.replace(epochs=1, record_every=3, evaluate_at=())
    evaluated = [math.isfinite(r.validation_loss) for r in records_of(config, digits)]
    assert evaluated == [False, False, True]
    # Evaluation does not affect training.
    assert records[-1].test_loss == records_of(SMALL.replace(epochs=1), digits)[-1].test_loss


def test_a_run_names_the_data_that_it_has(digits):
    assert training.Run(TrainConfig(), digits).config.dataset == "digits"
    mine = dataclasses.replace(digits, name="my letters")
    config = training.Run(TrainConfig(), mine).config
    assert config.dataset == "own data"
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert training.Run(config, mine).config == config
    with pytest.raises(ConfigError, match="unknown dataset 'own data'"):
        datasets.load(config.dataset)


def test_own_data_may_be_a_regression():
    line = dataclasses.replace(datasets.load("line"), name="my line")
    config = TrainConfig(
        dataset="own data", model="linear", loss="sum-of-squares", validation_fraction=0, lr=0.01
    )
    run = training.Run(config.replace(optimizer="sgd", batch_size=4, epochs=500), line)
    assert list(training.train(run))[-1].train_loss < 0.1


def test_the_users_own_model(digits):
    config = SMALL.replace(model="tests.own_models:Linear", dropout=0.0)
    assert records_of(config, digits)[-1].validation_accuracy > 0.3


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("tests.own_models:Nothing", "cannot load"),
        ("no_such_package:Net", "cannot load"),
        ("tests.own_models:WantsMore", "cannot be built"),
        ("builtins:dict", "is not a torch.nn.Module"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused(model, message, digits):
    with pytest.raises(ConfigError, match=message):
        training.Run(SMALL.replace(model=model), digits)
