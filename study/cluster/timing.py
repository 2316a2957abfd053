"""Measurements of this machine: how long they are remembered, and what they depend on."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lenet import user_cache
from lenet.config import TrainConfig

_REMEMBERED_SECONDS = 30 * 24 * 3600.0
_BUSY = 1.5
"""load average per CPU above which nothing is remembered: other work has slowed the steps"""


class MachineCache:
    """The measurements of this machine from the last 30 days, by key, in the user's cache."""

    def __init__(self, name: str) -> None:
        """Read the measurements under `name`."""
        self._name = name
        self._found = user_cache.read(name)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the values under `key`; None if they are missing, damaged or too old."""
        found = self._found.get(_here(key))
        if not isinstance(found, dict) or not isinstance(at := found.get("at"), int | float):
            return None
        if not time.time() - at < _REMEMBERED_SECONDS:
            return None
        return {name: value for name, value in found.items() if name != "at"}

    def remember(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Add `values` by key, unless this machine is busy."""
        if os.getloadavg()[0] <= _BUSY * (os.cpu_count() or 1):
            dated = {_here(key): {**value, "at": time.time()} for key, value in values.items()}
            user_cache.remember(self._name, dated)


def _here(key: str) -> str:
    """Return `key` with the name of this machine, which may share the cache with others."""
    return f"{key}; {platform.node()}"


@dataclass(frozen=True)
class Timing:
    """Measured seconds of one kind of trial."""

    step: float
    sample: float
    """of one evaluated sample"""

    @classmethod
    def remembered(cls, found: Any) -> Timing | None:
        """Read a timing from the cache; None if it is missing or damaged."""
        try:
            timing = cls(**{name: float(value) for name, value in found.items()})
        except (AttributeError, TypeError, ValueError):
            return None
        is_valid = 0 < timing.step < math.inf and 0 < timing.sample < math.inf
        return timing if is_valid else None


def model_of(config: TrainConfig) -> tuple[object, ...]:
    """Return the settings that the time of an evaluation depends on.

    The optimizer is left out: its share of a step is small, and each further kind costs a probe.
    """
    return (
        *(config.dataset, config.model, config.width, config.dropout > 0, config.precision),
        *(config.loss, str(dict(config.own)), config.metrics),
    )
