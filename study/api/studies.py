"""What to train: a study by name or as an object, and settings, parsed from a caller's values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import ConfigError
from lenet.loading import path_of
from search_spaces import kept
from search_spaces.study import Study

Settings = Mapping[str, Any]
"""Values by setting, as `--set` takes them: one value, several, or text. Several values are a list,
a range, or an array of one dimension, such as numpy's and pandas'. A tuple is one value of several
numbers, such as `milestones`."""

_FROM_MAIN = re.compile(r"(?:^|=)__main__:(\w+)")


def study_name(study: str | Path | Study) -> str:
    """Return the name by which `search_spaces.find` finds a study.

    It is the name of a listed study, `package.module:STUDY`, the whole path of a file, or a name
    made for a `Study` object. This process and the object's runs remember that object.

    Raises: ConfigError if there is no such study, or a run cannot keep the object.
    """
    if isinstance(study, Study):
        return _name_of_object(study)
    name = kept.whole_path(os.fspath(study))
    search_spaces.find(name)
    return name


def _name_of_object(study: Study) -> str:
    if search_spaces.studies().get(study.name) == study:
        return study.name
    _check_importable(f"study {study.name}", kept.to_json(study))
    return search_spaces.remember(study)


def choices(settings: Settings | None) -> dict[str, list[str]]:
    """Return `settings` as the texts that the commands take with `--set`.

    A class or function stands for its path: `{"model": my_nets.Net}` is `my_nets:Net`.

    Raises: ConfigError if an object cannot be imported by workers, or a setting has no value.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"settings={settings!r} must be a dict of settings and values, such as "
            '{"lr": [0.3, 0.1]}'
        )
    chosen = {
        name: [_text(name, item) for item in _values(name, value)]
        for name, value in settings.items()
    }
    for name, texts in chosen.items():
        if not texts:
            kind = type(settings[name]).__name__
            raise ConfigError(f"{name} needs a value: an empty {kind} has none")
        _check_importable(name, texts)
    return chosen


def unique_names(values: str | Sequence[str]) -> list[str]:
    """Return names without repetition; a single text is one name."""
    return list(dict.fromkeys([values] if isinstance(values, str) else values))


def as_typed(chosen: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """Turn what `choices` returned back into the `settings` of an equivalent call."""
    one_each = {
        name: texts[0] if len(texts) == 1 else list(texts) for name, texts in chosen.items()
    }
    return one_each or None


def _values(name: str, value: Any) -> Sequence[Any]:
    """Return the values in a list, a range or an array; anything else is one value.

    Raises: ConfigError if an array has two dimensions or more.
    """
    if isinstance(value, list | range):
        return value
    dimensions = getattr(value, "ndim", None)  # of numpy's, pandas' and torch's arrays and scalars
    if not isinstance(dimensions, int):
        return [value]
    import numpy as np

    array = np.asarray(value)
    if dimensions > 1:
        raise ConfigError(
            f"{name} has an array of shape {array.shape}: pass its values as one dimension, such "
            "as array.ravel()"
        )
    return [*array] if dimensions else [array[()]]


def _text(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    if callable(value):
        return path_of(name, value)
    return str(value)


def _check_importable(what: str, document: Any) -> None:
    """Raise `ConfigError` if a text in `document` names an object of this notebook or script."""
    for text in _texts(document):
        if found := _FROM_MAIN.search(text):
            name = found[1]
            raise ConfigError(
                f"{what}: {name} is defined in this notebook or script, and workers import objects "
                f"by their module: write it into a file, such as my_parts.py, and name it "
                f"my_parts:{name}"
            )


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from _texts(value)
    elif isinstance(document, list):
        for item in document:
            yield from _texts(item)
