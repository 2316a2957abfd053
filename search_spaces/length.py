"""How long a trial is on a data set smaller than the one that its study was made for.

On fewer samples an epoch has fewer steps, and a study's number of epochs would end before anything
is learned. So the epochs are multiplied until the number of steps is about the same. For example,
five epochs of 10,000 samples of MNIST become 36 epochs of the digits' 1,375 training samples. A
decay per epoch becomes the same decay per step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lenet import registry
from lenet.config import ConfigError, TrainConfig, coerce

LENGTH = frozenset({"epochs", "train_samples"})
"""Settings by which a user chooses how long a trial is. `steps` is not among them: it is an
additional limit, the same on every data set."""

_DECAY_BY_EPOCH = frozenset({"exponential", "ramp-multistep", "ramp-multistep-epoch"})
"""Schedules that change the learning rate by gamma after each epoch, or half epoch."""


def as_many_steps(
    settings: Mapping[str, Any], made_for: str, chosen: Collection[str]
) -> dict[str, Any]:
    """Return `settings` with about the steps that they would have on the data set `made_for`.

    Only a smaller data set changes them. Settings that the user has `chosen` stay as they are, and
    with one of `LENGTH` chosen, all do.

    Raises: ConfigError if a value has the wrong type.
    """
    changes: dict[str, Any] = {}
    factor = samples_factor(settings, made_for)
    if factor > 1 and not LENGTH & set(chosen):
        if (epochs := _value("epochs", settings)) is not None:
            changes["epochs"] = round(epochs * factor)
        schedule, gamma = _value("schedule", settings), _value("gamma", settings)
        by_epoch = schedule in _DECAY_BY_EPOCH and _value("decay_steps", settings) is None
        if by_epoch and "gamma" not in chosen:
            per_epoch: Any = registry.SCHEDULES[schedule]["gamma"] if gamma is None else gamma
            changes["gamma"] = round(per_epoch ** (1 / factor), 6)
    return {**settings, **changes}


def samples_factor(settings: Mapping[str, Any], made_for: str) -> float:
    """Return the training samples of an epoch on `made_for`, divided by those with `settings`."""
    dataset = _value("dataset", settings)
    if not {dataset, made_for} <= set(registry.TRAINING_SAMPLES):
        return 1.0  # TrainConfig reports the unknown name
    larger, own = (registry.TRAINING_SAMPLES[name] for name in (made_for, dataset))
    return training_samples(settings, larger) / training_samples(settings, own)


def training_samples(settings: Mapping[str, Any], total: int) -> int:
    """Return the training samples of an epoch with `settings`, at least 1.

    `total`: samples of the data set outside its test set.
    """
    rest = max(1, total - round(total * _value("validation_fraction", settings)))
    return min(rest, _value("train_samples", settings) or rest)


def check_batch_size(settings: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if a batch is larger than all training samples."""
    size, dataset = _value("batch_size", settings), _value("dataset", settings)
    if dataset not in registry.TRAINING_SAMPLES:
        return  # the size of the user's own data is known once they are loaded
    samples = training_samples(settings, registry.TRAINING_SAMPLES[dataset])
    if size > samples:
        raise ConfigError(
            f"batch_size={size} exceeds the {samples:,} training samples of {dataset}: use "
            f"batch_size={samples} for all of them at once, or less"
        )


def _value(name: str, settings: Mapping[str, Any]) -> Any:
    return coerce(name, settings.get(name, getattr(TrainConfig, name)))
