"""Cosine, one-cycle and gradient clipping agree with PyTorch's own."""

import itertools

import pytest
import torch

from lenet import TrainConfig, training
from lenet.schedules import learning_rate


def torchs_rates(make_scheduler, steps, lr=0.1):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make_scheduler(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def our_rates(steps, **settings):
    rate = learning_rate(TrainConfig(lr=0.1, **settings), steps_per_epoch=7, total_steps=steps)
    return [rate(step) for step in range(steps)]


@pytest.mark.parametrize("final_lr", [None, 0.01])
def test_cosine_is_torchs(final_lr):
    expected = torchs_rates(
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50, eta_min=final_lr or 0.0), 50
    )
    assert our_rates(50, schedule="cosine", final_lr=final_lr) == pytest.approx(expected)


def test_cosine_with_warm_up_is_torchs():
    def make(optimizer):
        warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 11, total_iters=10)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, cosine], [10])

    assert our_rates(50, schedule="cosine", warmup=0.2) == pytest.approx(torchs_rates(make, 50))


@pytest.mark.parametrize(("steps", "warmup"), [(50, None), (50, 0.1), (37, 0.4), (101, 0.25)])
def test_one_cycle_is_torchs(steps, warmup):
    expected = torchs_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=0.1, total_steps=steps + 1, pct_start=0.3 if warmup is None else warmup
        ),
        steps,
    )
    rate = learning_rate(
        TrainConfig(lr=0.1, schedule="one-cycle", warmup=warmup), 7, total_steps=steps + 1
    )
    assert [rate(step) for step in range(steps)] == pytest.approx(expected)
    assert rate(steps) == pytest.approx(0.1 / 25 / 1e4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_clipped_gradients_are_torchs(optimizer, digits):
    """Three steps of a run equal a plain loop with `clip_grad_norm_`, and differ from no limit."""
    settings = {"model": "softmax", "dataset": "digits", "lr": 0.5, "optimizer": optimizer}
    clipped = training.Run(TrainConfig(**settings, clip_norm=0.05), digits)
    plain, free = (training.Run(TrainConfig(**settings), digits) for _ in range(2))
    for step in range(3):
        clipped.train_step()
        free.train_step()
        samples = plain.train_samples[plain._order.batch(step)]
        plain.optimizer.zero_grad()
        plain.optimizer.param_groups[0]["lr"] = 0.5
        plain.loss(plain.model(samples.inputs), samples.targets).backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.model.parameters(), 0.05)
        assert norm > 0.05
        plain.optimizer.step()
    for one, other in zip(clipped.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)
    pairs = itertools.zip_longest(clipped.model.parameters(), free.model.parameters())
    if optimizer == "sgd":  # Adam's steps hardly depend on the scale of the gradients
        assert any(not torch.allclose(one, other) for one, other in pairs)
