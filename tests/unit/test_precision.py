"""Training steps in bf16: what changes, and what does not."""

import pytest
import torch

from lenet import TrainConfig, fleet
from lenet.config import ConfigError
from lenet.fused import Unfusable
from lenet.training import Run, train
from study import grid

BF16 = TrainConfig(
    dataset="digits",
    precision="bf16",
    optimizer="adam",
    lr=2e-3,
    epochs=None,
    steps=60,
    batch_size=50,
)


def test_bf16_learns_and_keeps_weights_and_evaluation_in_float32(digits):
    run = Run(BF16, digits)
    (*_, last) = train(run)
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in run.model.parameters()} == {torch.float32}
    assert last.validation_accuracy > 0.6
    (*_, full) = train(Run(BF16.replace(precision="fp32"), digits))
    assert last.train_loss != full.train_loss, "other formats round differently"
    assert last.train_loss == pytest.approx(full.train_loss, rel=0.2)


def test_a_run_in_bf16_can_be_repeated_and_resumed(digits):
    config = BF16.replace(steps=6, record_every=3)
    first, second = train(Run(config, digits))
    run = Run(config, digits)
    assert run.advance().equal_except_timing(first)
    state = run.state_dict()
    resumed = Run(config, digits)
    resumed.load_state_dict(state)
    assert resumed.advance().equal_except_timing(second)


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_every_loss_of_a_classifier_works_in_bf16(loss, digits):
    (*_, last) = train(Run(BF16.replace(loss=loss, model="4ls", steps=3), digits))
    assert not last.diverged


def test_a_fleet_refuses_bf16_in_one_line(digits):
    runs = [Run(BF16.replace(seed=seed), digits) for seed in range(2)]
    with pytest.raises(Unfusable, match="precision=bf16: fleets train in fp32 only"):
        fleet.Fleet(runs)


def test_the_precision_is_part_of_a_config():
    assert TrainConfig(precision="bf16") != TrainConfig()
    assert TrainConfig(precision="bf16").id != TrainConfig().id
    with pytest.raises(ConfigError, match=r"unknown precision 'fp8': .*choose from bf16, fp32"):
        TrainConfig(precision="fp8")


def test_the_option_sets_it_once(capsys):
    code = grid.main(["--precision", "bf16", "--set", "precision=fp32", "--dry-run"])
    assert code == 2
    assert "precision is set twice" in capsys.readouterr().err
