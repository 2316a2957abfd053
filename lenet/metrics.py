"""The user's own metrics: functions of a model's outputs and the targets of a whole split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from lenet.config import ConfigError, TrainConfig, parse_metric
from lenet.loading import describe_failure, load_object, place_of


@dataclass(frozen=True)
class Metric:
    """A metric of held-out data."""

    name: str
    path: str
    function: Callable[[torch.Tensor, torch.Tensor], Any]

    def __str__(self) -> str:
        return f"metric {self.name}={self.path}{place_of(self.function)}"

    def measure(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Return the metric on all samples of a split; NaN if it is not finite.

        outputs: float32 (n, outputs). targets: int64 (n,), or float32 (n, values).

        Raises: ConfigError if the function fails or does not return a number.
        """
        try:
            value = self.function(outputs, targets)
        except Exception as error:  # the user's function may raise anything
            raise ConfigError(
                f"{self} raises {describe_failure(error)}; it gets outputs of shape "
                f"{tuple(outputs.shape)} and targets of shape {tuple(targets.shape)}"
            ) from error
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError):
            shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
            raise ConfigError(
                f"{self} returns a {type(value).__name__}{shape} instead of a number: return one "
                "number for the whole split, such as its mean"
            ) from None
        return number if math.isfinite(number) else math.nan


def build_metrics(config: TrainConfig) -> list[Metric]:
    """Return the metrics of `config`. Raises: ConfigError if one cannot be loaded."""
    metrics = []
    for text in config.metrics or ():
        name, _, path = parse_metric(text)
        function = load_object(path, f"metric {name}")
        if not callable(function):
            kind = type(function).__name__
            raise ConfigError(f"metric {name}={path} is a {kind}: name a function")
        metrics.append(Metric(name, path, function))
    return metrics
