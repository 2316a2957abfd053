"""The studies, one file each.

Every module of this package that defines `STUDY`, or a tuple `STUDIES`, is listed by
`python -m study` and runs by the study's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from lenet.config import ConfigError, unknown_name
from search_spaces.study import Study


@cache
def studies() -> dict[str, Study]:
    """Return every study by name, in the order of their files."""
    found: dict[str, Study] = {}
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        listed = getattr(module, "STUDIES", None) or (getattr(module, "STUDY", None),)
        found |= {study.name: study for study in listed if study is not None}
    return found


def find(name: str) -> Study:
    """Return the study of this name.

    Raises: ConfigError with the nearest name if there is none.
    """
    known = studies()
    if name not in known:
        raise ConfigError(unknown_name(name, known, "study") + " (see `python -m study`)")
    return known[name]
