"""Values that commands remember on this machine: measured times and verified files.

Losing them costs only time, so a file that is missing, damaged or cannot be written is no error.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Return the project's folder in the user's cache, which may not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lenet-study"


def read(name: str) -> dict[str, Any]:
    """Return what is remembered under `name`, by key; empty if it cannot be read."""
    try:
        found = json.loads(_file(name).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(name: str, values: Mapping[str, Any]) -> None:
    """Add `values` to what is remembered under `name`.

    Of two commands that write at the same moment, one may lose its values.
    """
    if not values:
        return
    file = _file(name)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            json.dump(read(name) | dict(values), opened, indent=0)
        os.replace(temporary, file)


def _file(name: str) -> Path:
    return folder() / f"{name}.json"
