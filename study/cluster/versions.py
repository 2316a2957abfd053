"""Versions of the libraries that determine a run's records."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from importlib import metadata

_PACKAGES = ("ray", "torch", "torchvision", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that determine records, by name."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):  # plain processes need no Ray
            found[package] = metadata.version(package)
    return found


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return a note for each version or resource that changed since a run began."""
    return [
        f"This run began with {name} {value} and continues with {now.get(name)}: records may "
        "differ in their last digits."
        for name, value in before.items()
        if value != now.get(name)
    ]
