"""The values of settings, which may come as text: from a command line, a file, a search space."""

from __future__ import annotations

import math
from typing import Any


def literal(value: Any) -> Any:
    """Convert a keyword of the user's code: a number, a switch, None, numbers joined by +, text."""
    if isinstance(value, (list, tuple)):
        return tuple(literal(item) for item in value)
    words = {"true": True, "false": False, "none": None}
    if value is None or isinstance(value, bool) or str(value).lower() in words:
        return words.get(str(value).lower(), value)
    try:
        return _number(value)
    except ValueError:
        pass
    try:
        numbers = tuple(map(_number, str(value).split("+")))
    except ValueError:
        return str(value)
    return numbers


def _number(value: Any) -> int | float:
    """Return a whole number as an int, so that 5, 5.0 and "5" give equal configs."""
    number = finite(value)
    return int(number) if number.is_integer() and abs(number) <= 2**53 else number


def boolean(value: Any) -> bool:
    """Convert a switch. Raises: ValueError if it is none."""
    values = {"true": True, "false": False, "1": True, "0": False}
    try:
        return values[str(value).lower()]
    except KeyError:
        raise ValueError(value) from None


def integer(value: Any) -> int:
    """Convert a whole number. Raises: ValueError if it is none."""
    number = float(value)
    if isinstance(value, bool) or "_" in str(value) or not number.is_integer():
        raise ValueError(value)
    if abs(number) > 2**53:  # larger integers are not exact as floats
        raise ValueError(value)
    return int(number)


def finite(value: Any) -> float:
    """Convert a finite number. Raises: ValueError if it is none."""
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    return number
