"""The studies, each in its own module or package.

Every module or package in here that defines `STUDY`, or a tuple `STUDIES`, is listed by
`python -m study` and runs by the study's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from lenet.config import ConfigError, unknown_name
from search_spaces import kept, lr_range
from search_spaces.study import Study

_kept: dict[str, Study] = {}
"""The user's own studies as their runs keep them, by the name that the run has."""


@cache
def studies() -> dict[str, Study]:
    """Return every study by name, in the order of their modules."""
    found: dict[str, Study] = {}
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        listed = getattr(module, "STUDIES", None) or (getattr(module, "STUDY", None),)
        found |= {study.name: study for study in listed if study is not None}
    return found


def find(name: str) -> Study:
    """Return the study of this name, or the user's own at a path (`search_spaces.kept`).

    If the user's file is not here, it is the study as its run keeps it.

    Raises: ConfigError with the nearest name if there is none.
    """
    if kept.is_own(name):
        try:
            return _load_own(name)
        except ConfigError:
            if name not in _kept:
                raise
            return _kept[name]
    known = studies()
    if name not in known:
        raise ConfigError(unknown_name(name, known, "study") + " (see `python -m study`)")
    return known[name]


def keep(name: str, study: Study) -> None:
    """Make `find` return `study` if the user's own study `name` cannot be loaded."""
    _kept[name] = study


def remember(study: Study) -> str:
    """Make `find` return a study that no path leads to, and return its name."""
    name = kept.name_of_object(study)
    keep(name, study)
    return name


def problem_of(name: str) -> str:
    """Say why `find` returns the study that a run keeps; empty if it does not."""
    if not kept.is_own(name) or kept.is_in_memory(name) or name not in _kept:
        return ""
    try:
        _load_own(name)
    except ConfigError as error:
        return str(error)
    return ""


def _load_own(name: str) -> Study:
    """Load the user's own study, or its range test (`search_spaces.lr_range`)."""
    loss, path = lr_range.split_name(name)
    return lr_range.ramps_of(find(path), loss) if path else kept.load(name)
