"""Checks of a run before it trains, for what would fail later or make its records meaningless."""

from __future__ import annotations

import torch

from lenet.config import ConfigError
from lenet.evaluation import EVALUATION_BATCH
from lenet.loading import describe_failure, place_of
from lenet.registry import is_own
from lenet.samples import Samples
from lenet.training import Run


@torch.no_grad()
def check_batches(run: Run) -> None:
    """Check the model's outputs on the kinds of batches that `run` will meet.

    These are the first batch of an epoch and its last one, which may be shorter, and those of the
    evaluation. The run must not be trained afterwards.

    Raises: ConfigError if the model fails on one of them, or its outputs have the wrong shape or
    are not finite.
    """
    samples, size = run.train_samples, run.length.batch_size
    few = min(size, EVALUATION_BATCH)
    run.model.train()
    first = samples[:few].load()
    outputs = _check_outputs(run, first, "", f"check its forward, and batch_size={size}")
    _check_loss(run, outputs, first)
    for metric in run.metrics:
        metric.measure(outputs, first.targets)
    if last := len(samples) % size:
        _check_outputs(
            run,
            samples[-last:].load(),
            f" on the last batch of an epoch, which has {last} of the {len(samples):,} samples",
            f"use --set train_samples={len(samples) - last}, or another batch_size",
        )
    run.model.eval()
    for held_out in (run.validation_samples, run.test_samples):
        if rest := len(held_out) % EVALUATION_BATCH:
            where = f" in evaluation, on a batch of {rest}"
            _check_outputs(run, held_out[-rest:].load(), where, "check its forward in eval mode")


def _check_outputs(run: Run, batch: Samples, where: str, remedy: str) -> torch.Tensor:
    """Return the outputs of `batch`.

    Raises: ConfigError, with a `remedy`, if they do not fit its targets.
    """
    config, columns = run.config, run.classes
    place = place_of(type(run.model)) if is_own(config.model) else ""
    failure = f"model={config.model}{place} cannot be trained{where}"
    expected = f"({len(batch)}, {columns})"
    try:
        outputs = run.model(batch.inputs)
    except Exception as error:  # the user's own model may raise anything
        kind = "" if batch.inputs.is_floating_point() else f" and type {batch.inputs.dtype}"
        raise ConfigError(
            f"{failure}: {describe_failure(error)}; its forward gets inputs of shape "
            f"{tuple(batch.inputs.shape)}{kind} and must return {expected}: {remedy}"
        ) from error
    if not isinstance(outputs, torch.Tensor):
        raise ConfigError(
            f"{failure}: its forward returns a {type(outputs).__name__} instead of a tensor of "
            f"shape {expected}"
        )
    if tuple(outputs.shape) != (len(batch), columns):
        raise ConfigError(
            f"{failure}: its forward returns shape {tuple(outputs.shape)} instead of {expected}, "
            f"one row a sample and one column a class: change its last layer"
        )
    if not torch.isfinite(outputs).all():
        raise ConfigError(
            f"{failure}: its outputs are not finite before the first step: check its forward and "
            "its initial weights"
        )
    return outputs


def _check_loss(run: Run, outputs: torch.Tensor, batch: Samples) -> None:
    """Raise `ConfigError` unless the user's own loss of `outputs` is a number that can fall."""
    config, function = run.config, run.loss.function
    if not is_own(config.loss):
        return
    failure = f"loss={config.loss}{place_of(getattr(function, 'func', function))}"
    given = f"outputs of shape {tuple(outputs.shape)} and targets of shape " + str(
        tuple(batch.targets.shape)
    )
    try:
        with torch.enable_grad():
            loss = run.loss(outputs.clone().requires_grad_(), batch.targets)
    except Exception as error:  # the user's own loss may raise anything
        raise ConfigError(f"{failure} raises {describe_failure(error)}; it gets {given}") from error
    if not isinstance(loss, torch.Tensor) or loss.dim():
        found = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        raise ConfigError(
            f"{failure} returns {found} instead of a scalar tensor, for {given}: take the mean "
            "over the samples"
        )
    if not loss.requires_grad:
        raise ConfigError(
            f"{failure} returns a tensor without gradients: compute it from the outputs with "
            "torch, without detach() or item()"
        )
    if not torch.isfinite(loss):
        raise ConfigError(f"{failure} is {loss.item():g} before the first step, for {given}")
