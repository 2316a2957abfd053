"""What is tried: one study per file, found by being here.

A module of this package that defines `STUDY` (or `STUDIES`, a tuple) is listed by
`python -m study` and runs by its name.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from lenet.config import ConfigError, nearest
from search_spaces.study import Study


@cache
def studies() -> dict[str, Study]:
    """Every study by name, in the order of their files."""
    found: dict[str, Study] = {}
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        listed = getattr(module, "STUDIES", None) or (getattr(module, "STUDY", None),)
        found |= {study.name: study for study in listed if study is not None}
    return found


def find(name: str) -> Study:
    """The study of that name; raises `ConfigError` naming the nearest one."""
    known = studies()
    if name not in known:
        raise ConfigError(nearest(name, known, "study") + " (see `python -m study`)")
    return known[name]
