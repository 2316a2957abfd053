"""The user's own studies: loaded by their path, and kept in their runs as plain data.

A run of a user's own study holds its definition, so that the run can be reported where the user's
file is not.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from lenet.config import ConfigError
from lenet.loading import load_object
from search_spaces import space, study
from search_spaces.study import Study

_CLASSES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        Study,
        study.Grid,
        study.Figure,
        study.Table,
        study.Claim,
        study.Metric,
        space.Dimension,
        space.Range,
        space.Choice,
    )
}
_DEFAULT_NAME = "STUDY"


_IN_MEMORY = "object:"


def is_own(name: str) -> bool:
    """Return True for "package.module:STUDY", "my_study.py", "my_study.py:STUDY" and objects."""
    return ":" in name or name.endswith(".py")


def is_in_memory(name: str) -> bool:
    """Return True for a study that a notebook or script has made, to which no path leads."""
    return name.rpartition("@")[2].startswith(_IN_MEMORY)  # also of a range test of one


def name_of_object(study: Study) -> str:
    """Return the name of a study that no path leads to. Equal studies have the same name."""
    text = json.dumps(to_json(study), sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    return f"{_IN_MEMORY}{study.name}-{digest}"


def typed_name(name: str, study: Study) -> str:
    """Return what a user types for the study that `search_spaces.find` finds by `name`."""
    return shlex.quote(name) if is_own(name) and not is_in_memory(name) else study.name


def whole_path(name: str) -> str:
    """Return the name of a study; for a file, with its whole path and the object in it.

    With the whole path, the user can resume the run from another working directory.
    """
    file, colon, attribute = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    if not file.endswith(".py"):
        return name
    path = Path(file).expanduser().absolute()
    return f"{path}:{attribute if colon else _DEFAULT_NAME}"


def load(name: str) -> Study:
    """Import the user's own study. Raises: ConfigError if it is not there or is no `Study`."""
    if is_in_memory(name):
        raise ConfigError(f"{name} was made in another Python session: make it again")
    path = whole_path(name)
    found = load_object(path)
    if not isinstance(found, Study):
        raise ConfigError(
            f"{path} is a {type(found).__name__} instead of a search_spaces.study.Study: name one"
        )
    return found


def to_json(study: Study) -> Any:
    """Return a study as JSON can hold it.

    Raises: ConfigError if one of its options is neither text, a number nor a collection of them.
    """
    return _encoded(study, study.name)


def from_json(document: Any) -> Study:
    """Read what `to_json` returned. Raises: ConfigError if it is damaged."""
    try:
        found = _decoded(document)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"has a damaged definition of its study ({error})") from None
    if not isinstance(found, Study):
        raise ConfigError("has a damaged definition of its study")
    return found


def _encoded(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value) and type(value).__name__ in _CLASSES:
        of = {f.name: _encoded(getattr(value, f.name), where) for f in fields(value)}
        return {"class": type(value).__name__, "fields": of}
    if isinstance(value, Mapping):
        return {"map": [[_encoded(k, where), _encoded(v, where)] for k, v in value.items()]}
    for kind in (tuple, list, frozenset, set):
        if isinstance(value, kind):
            items = sorted(value, key=str) if kind in (frozenset, set) else value
            return {kind.__name__: [_encoded(item, where) for item in items]}
    raise ConfigError(
        f"study {where} holds a {type(value).__name__}, which a run cannot keep: use text, numbers "
        "and collections of them"
    )


def _decoded(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    if "class" in document:
        given = {name: _decoded(value) for name, value in document["fields"].items()}
        return _CLASSES[document["class"]](**given)
    ((kind, items),) = document.items()
    if kind == "map":
        return {_decoded(key): _decoded(value) for key, value in items}
    kinds = {cls.__name__: cls for cls in (tuple, list, frozenset, set)}
    return kinds[kind](map(_decoded, items))
