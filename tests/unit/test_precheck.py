"""What would fail in a run after it has begun is refused before."""

import dataclasses

import pytest

from lenet import ConfigError, TrainConfig, registry, training
from lenet.precheck import check_batches
from lenet.samples import Samples

CONFIG = TrainConfig(dataset="digits", train_samples=129, batch_size=64)


@pytest.mark.parametrize("model", sorted(set(registry.MODELS) - registry.REGRESSIONS))
def test_every_model_of_a_class_passes(model, digits):
    check_batches(training.Run(CONFIG.replace(model=model), digits))


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("WrongShape", {}, r"must return \(64, 10\).*batch_size=64"),
        ("OneColumn", {}, r"shape \(64, 1\) instead of \(64, 10\)"),
        ("ReturnsTwo", {}, "returns a tuple instead of a tensor"),
        ("NotFinite", {}, "not finite before the first step"),
        ("Normalized", {}, "last batch of an epoch, which has 1 of the 129 .*train_samples=128"),
        ("Squeezes", {}, r"last batch.* shape \(10,\) instead of \(1, 10\)"),
        ("Squeezes", {"train_samples": 128}, None),
        ("Normalized", {"train_samples": 130}, None),
    ],
)
def test_a_model_that_would_fail_later(model, changes, message, digits):
    run = training.Run(CONFIG.replace(model=f"tests.own_models:{model}", **changes), digits)
    if message is None:
        check_batches(run)
        return
    with pytest.raises(ConfigError, match=message) as error:
        check_batches(run)
    assert "\n" not in str(error.value)


def test_a_single_held_out_sample_is_tried(digits):
    data = dataclasses.replace(digits, test=digits.test[:1])
    config = CONFIG.replace(model="tests.own_models:Squeezes", train_samples=128)
    with pytest.raises(ConfigError, match="in evaluation, on a batch of 1"):
        check_batches(training.Run(config, data))


def test_a_loss_that_does_not_fit_own_data_is_refused(digits):
    values = Samples(digits.train.inputs, digits.train.targets.float())
    data = dataclasses.replace(digits, name="mine", train=values, test=values, classes=1)
    with pytest.raises(ConfigError, match=r"loss=cross-entropy.*use loss=sum-of-squares"):
        training.Run(CONFIG, data)
    with pytest.raises(ConfigError, match="use loss=cross-entropy or mse"):
        training.Run(
            TrainConfig(dataset="own data", loss="sum-of-squares"),
            dataclasses.replace(digits, name="mine"),
        )
