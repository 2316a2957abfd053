"""The objective: its direction, its range of values, and the order of trials that tie.

Accuracies, losses, speeds and seconds are known by their names; a study declares its own metrics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lenet.config import ConfigError, parse_metric, settings_in

_MAXIMIZED: dict[str, bool] = {}
"""Whether higher is better, by the name of each metric that a study of this process declares."""

_RANGES: dict[str, tuple[float | None, float | None]] = {}
"""The lowest and highest value of each metric for which a study of this process declares them."""


def declare_metric(
    name: str, *, maximize: bool, low: float | None, high: float | None, study: str
) -> None:
    """Make `maximized` and `range_of` know a metric of `study`. None: the range has no such end.

    Raises: ConfigError if another study's metric of this name has another direction.
    """
    if _MAXIMIZED.setdefault(name, maximize) != maximize:
        raise ConfigError(
            f"metric {name} of {study} has another direction than the metric of this name in "
            "another study: rename it"
        )
    if (low, high) != (None, None):
        _RANGES[name] = (low, high)


def maximized(objective: str) -> bool:
    """Return True if higher is better: accuracies and speeds, as opposed to losses and seconds.

    A metric of a study has the direction that the study declares.
    """
    metric = objective.removeprefix("validation_").removeprefix("test_")
    if metric in _MAXIMIZED:
        return _MAXIMIZED[metric]
    return "accuracy" in objective or objective.endswith("_per_second")


def range_of(column: str) -> tuple[float | None, float | None]:
    """Return the lowest and the highest value of a metric, as its study declares them."""
    metric = column.removeprefix("validation_").removeprefix("test_")
    return _RANGES.get(metric, (None, None))


def know_directions(metrics: Iterable[str]) -> None:
    """Make `maximized` know metrics from their texts in `TrainConfig.metrics`.

    A worker reads them from a config, without the study that declares them.
    """
    for text in metrics:
        name, is_maximized, _ = parse_metric(text)
        _MAXIMIZED.setdefault(name, is_maximized)


def worst_value(objective: str, *, is_maximized: bool, of_range: bool = True) -> float:
    """Return a value that no better trial has: 0 of accuracies and speeds, else an infinity.

    If `of_range`, it is the worst end of the range that a study declares for its metric, if any.
    """
    declared = range_of(objective)[0 if is_maximized else 1]
    if of_range and declared is not None:
        return declared
    if not is_maximized:
        return math.inf
    return 0.0 if objective.endswith(("accuracy", "_per_second")) else -math.inf


def tie_order(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the sort key of a trial among trials with the same objective.

    They are sorted by their settings in the order of `SETTINGS`, missing values last, as the rows
    of the leaderboard are. So the first of them belongs to the best setting.
    """
    values = [settings[name] for name in settings_in(settings)]
    missing = [value is None or value != value for value in values]
    texts = [tuple(value) if isinstance(value, list) else value for value in values]
    return tuple(
        (is_missing, "" if is_missing else value)
        for is_missing, value in zip(missing, texts, strict=True)
    )
