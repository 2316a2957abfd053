"""Objects by their path in text: "package.module:name"."""

from __future__ import annotations

import importlib
from typing import Any

from lenet.config import ConfigError


def load_object(path: str) -> Any:
    """Import the object at `path`. Raises `ConfigError` if it cannot be imported."""
    module_name, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except Exception as error:  # importing the user's module may raise anything
        raise ConfigError(
            f"cannot load {path!r}: {error}; expected package.module:name of an installed package"
        ) from error
