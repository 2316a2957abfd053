"""Numbers as a page holds them: JSON without noise digits, and long columns compressed."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

_DIGITS = 7
"""Significant digits of a number, as many as float32 has."""


def number(value: Any) -> float | int | None:
    """Return a number with seven significant digits; None if it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{float(value):.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def numbers(values: Iterable[Any]) -> list[float | int | None]:
    """Return `number` of each value."""
    return [number(value) for value in values]


def packed(values: Iterable[Any]) -> str:
    """Return a column as text: float32, its bytes grouped by significance, zlib, base64.

    Neighboring records share their high bytes, so grouping nearly halves the size.
    """
    column = np.ascontiguousarray(values, dtype="<f4")
    grouped = column.view(np.uint8).reshape(-1, 4).T.tobytes()
    return base64.b64encode(zlib.compress(grouped, 9)).decode("ascii")
