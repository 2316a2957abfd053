"""Classes by their path in text: "package.module:Class"."""

from __future__ import annotations

import importlib
from typing import Any

from lenet.config import ConfigError


def load_class(path: str) -> Any:
    """The class at `path`; raises `ConfigError` if there is none."""
    module_name, _, class_name = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # importing somebody's module may raise anything
        raise ConfigError(
            f"cannot load {path!r}: {error}; expected package.module:Class of an installed package"
        ) from error
