"""Ranges of the settings of the project's own optimizers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_FRACTIONS = ("rho", "momentum")
_NON_NEGATIVE = ("l1", "l2", "eps")


def check_ranges(settings: Mapping[str, Any]) -> None:
    """Check the settings of one parameter group; those that an optimizer lacks are skipped.

    Raises: ValueError unless lr is above 0, l1, l2 and eps are 0 or more, rho and momentum are at
    least 0 and below 1, and all are finite.
    """
    if not (math.isfinite(settings["lr"]) and settings["lr"] > 0):
        raise ValueError(f"lr must be finite and above 0, not {settings['lr']}")
    for name in _NON_NEGATIVE:
        value = settings.get(name, 0.0)
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and 0 or more, not {value}")
    for name in _FRACTIONS:
        value = settings.get(name, 0.0)
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be finite, at least 0 and below 1, not {value}")
