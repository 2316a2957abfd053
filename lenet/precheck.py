"""Checks of a run before it trains, for what would fail later or make its records meaningless."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch

from lenet.config import ConfigError
from lenet.evaluation import EVALUATION_BATCH
from lenet.loading import describe_failure, describe_keywords, place_of
from lenet.metrics import Metric
from lenet.registry import is_own
from lenet.samples import Samples
from lenet.training import Run

Ends = tuple[float | None, float | None]
"""The lowest and the highest value of a metric. None: there is no such end."""

_MOST_TARGETS = 1_000
"""The most held-out samples of which a metric gets perfect outputs."""
_ROUNDING = 1e-5
"""A metric in single precision may exceed its range by this share."""


def _no_ends(_: str) -> Ends:
    return None, None


@torch.no_grad()
def check_batches(run: Run, range_of: Callable[[str], Ends] = _no_ends) -> None:
    """Check the model's outputs on the kinds of batches that `run` will meet.

    These are the first batch of an epoch and its last one, which may be shorter, and those of the
    evaluation. `range_of` returns the declared range of a metric by its name. The run must not be
    trained afterwards.

    Raises: ConfigError if the model fails on one of them, its outputs have the wrong shape or are
    not finite, or a metric is never finite or leaves its range.
    """
    samples, size = run.train_samples, run.length.batch_size
    few = min(size, EVALUATION_BATCH)
    run.model.train()
    first = samples[:few].load()
    outputs = _check_outputs(run, first, "", f"check its forward, and batch_size={size}")
    _check_loss(run, outputs, first)
    for metric in run.metrics:
        _check_metric(run, metric, outputs, first.targets, range_of(metric.name))
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
    run.model.train()
    _check_optimizer(run, first)  # at the end, since its step changes the weights


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
        if kind:
            own = f"dataset={config.dataset} returns" if is_own(config.dataset) else "the data are"
            remedy = (
                f"{own} whole numbers, which count as token ids: if they are not, return them as "
                f"float32, otherwise {remedy}"
            )
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
    own = describe_keywords("loss", config.keywords_of("loss"))
    given = f"outputs of shape {tuple(outputs.shape)} and targets of shape " + str(
        tuple(batch.targets.shape)
    )
    try:
        with torch.enable_grad():
            loss = run.loss(outputs.clone().requires_grad_(), batch.targets)
    except Exception as error:  # the user's own loss may raise anything
        raise ConfigError(
            f"{failure}{own} raises {describe_failure(error)}; it gets {given}"
        ) from error
    if not isinstance(loss, torch.Tensor) or loss.dim():
        found = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        is_number = isinstance(loss, (int, float))
        remedy = "take the mean over the samples"
        if is_number:
            remedy = "return the tensor, without .item() or float()"
        raise ConfigError(
            f"{failure} returns {f'the {type(loss).__name__} ' if is_number else ''}{found} "
            f"instead of a scalar tensor, for {given}: {remedy}"
        )
    if not loss.requires_grad:
        raise ConfigError(
            f"{failure} returns a tensor without gradients: compute it from the outputs with "
            "torch, without detach() or item()"
        )
    if not torch.isfinite(loss):
        raise ConfigError(f"{failure} is {loss.item():g} before the first step, for {given}")


def _check_optimizer(run: Run, batch: Samples) -> None:
    """Raise `ConfigError` unless the user's own optimizer can make a step."""
    config, kind = run.config, type(run.optimizer)
    if not is_own(config.optimizer):
        return
    failure = f"optimizer={config.optimizer}{place_of(kind)}"
    if inspect.unwrap(kind.step) is inspect.unwrap(torch.optim.Optimizer.step):
        raise ConfigError(f"{failure} has no step(): define step(self, closure=None)")
    with torch.enable_grad():
        try:
            run.loss(run.model(batch.inputs), batch.targets).backward()
        except Exception as error:  # the user's own model may raise anything
            raise ConfigError(
                f"model={config.model}{place_of(type(run.model))} cannot be trained: its backward "
                f"pass raises {describe_failure(error)}"
            ) from error
        try:
            run.optimizer.step()
        except Exception as error:  # the user's own optimizer may raise anything
            own = describe_keywords("optimizer", config.keywords_of("optimizer"))
            in_place = "leaf Variable" in str(error)
            remedy = ": decorate step with @torch.no_grad()" if in_place else ""
            raise ConfigError(
                f"{failure}{own}: its step raises {describe_failure(error)}{remedy}"
            ) from error


def _check_metric(
    run: Run, metric: Metric, outputs: torch.Tensor, targets: torch.Tensor, ends: Ends
) -> None:
    """Raise `ConfigError` if a metric is out of its range, or NaN even for perfect outputs.

    Before the first step, a good metric may be NaN, such as the precision of a class that is never
    predicted.
    """
    value = metric.measure(outputs, targets)
    if math.isnan(value):
        held_out = run.validation_samples if len(run.validation_samples) else run.test_samples
        targets = held_out[:_MOST_TARGETS].load().targets
        value = metric.measure(_perfect_outputs(targets, run.classes), targets)
        if math.isnan(value):
            raise ConfigError(
                f"{metric} is not finite, neither for the model's outputs nor for outputs that "
                "equal the targets: return a finite number, such as 0 where a ratio has no "
                "denominator"
            )
    low, high = ends
    margin = _ROUNDING * max(1.0, abs(value))
    for end, number, is_outside in (
        ("low", low, low is not None and value < low - margin),
        ("high", high, high is not None and value > high + margin),
    ):
        if is_outside:
            raise ConfigError(
                f"{metric} returns {value:g}, but {end}={number:g} is declared: correct the "
                f"function, or declare the {end}est value that it can return, or no {end}"
            )


def _perfect_outputs(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Return the outputs of a model that is always right, float32 (n, classes)."""
    if targets.is_floating_point():
        return targets.reshape(-1, classes)
    return torch.nn.functional.one_hot(targets, classes).to(torch.float32)
