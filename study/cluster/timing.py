"""The measured seconds of a kind of trial, and what they depend on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from lenet.config import TrainConfig

_REMEMBERED_SECONDS = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Timing:
    """Measured seconds of one kind of trial."""

    step: float
    sample: float
    """of one evaluated sample"""
    at: float
    """when they were measured, in seconds since 1970"""

    @classmethod
    def remembered(cls, found: Any) -> Timing | None:
        """Read what was remembered; None if it is missing, damaged or too old."""
        try:
            timing = cls(**{name: float(value) for name, value in found.items()})
        except (AttributeError, TypeError, ValueError):
            return None
        is_valid = 0 < timing.step < math.inf and 0 < timing.sample < math.inf
        return timing if is_valid and time.time() - timing.at < _REMEMBERED_SECONDS else None


def model_of(config: TrainConfig) -> tuple[object, ...]:
    """What the time of an evaluation depends on.

    Without the optimizer: its share of a step is small, and each kind costs a probe.
    """
    return (
        *(config.dataset, config.model, config.width, config.dropout > 0, config.precision),
        *(config.loss, str(dict(config.own)), config.metrics),
    )
