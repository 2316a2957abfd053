"""Checks of what a user declares in a study, so that a slip is named where it was typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lenet.config import ConfigError, check_metric_name, unknown_name
from lenet.loading import path_of

BUDGETS = ("smoke", "quick", "paper")
"""`smoke`: seconds, for tests; `quick`: minutes on two cores; `paper`: as published."""

_NAME = re.compile(r"\w[\w.-]*")
_MAIN_OBJECTIVES = tuple(
    f"{split}_{what}" for split in ("validation", "test", "train") for what in ("accuracy", "loss")
)
_OBJECTIVES = (
    *_MAIN_OBJECTIVES,
    *("lowest_train_loss", "highest_train_loss"),
    *("train_seconds", "samples_per_second", "steps_per_second"),
)
"""The fields of a record that can rank points."""


def check_name(what: str, name: object) -> None:
    """Raise `ConfigError` unless `name` can be part of a file's name and of an option."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return
    remedy = "give it text, such as name='mine'"
    if isinstance(name, str):
        suggestion = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "mine"
        remedy = f"type name={suggestion!r}"
    raise ConfigError(
        f"a {what} cannot be called {name!r}, because names are made of letters, digits, '-', '_' "
        f"and '.': {remedy}"
    )


def check_sequences(study: object, kinds: Mapping[str, type]) -> None:
    """Raise `ConfigError` unless fields of `study` are tuples or lists of these `kinds`."""
    for name, kind in kinds.items():
        value = getattr(study, name)
        example = {tuple: "(where, settings)", int: "2"}.get(kind, f"{kind.__name__}(...)")
        expected = f"type {name}=({example},)"
        if kind is tuple and _are_pairs(value):
            continue
        if isinstance(value, kind):
            one = "pair" if kind is tuple else kind.__name__
            raise ConfigError(f"{name} is one {one}: {expected}")
        if not isinstance(value, (tuple, list)):
            raise ConfigError(f"{name} is a {type(value).__name__}: {expected}")
        for item in value:
            if not isinstance(item, kind):
                raise ConfigError(f"{name} has a {type(item).__name__} in it: {expected}")


def _are_pairs(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(
        isinstance(item, (tuple, list)) and len(item) == 2 for item in value
    )


def with_paths_by_budget(
    owner: str, budgets: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings by budget, with the paths of objects (`with_paths`).

    Raises: ConfigError unless the names are those that commands take.
    """
    if not isinstance(budgets, Mapping):
        raise ConfigError(
            f"the budgets of {owner} are a {type(budgets).__name__}: type "
            'budgets={"quick": {"epochs": 10}}'
        )
    for name in budgets:
        if name not in BUDGETS:
            raise ConfigError(unknown_name(str(name), BUDGETS, f"budget of {owner}"))
    return {name: with_paths(f"budget {name}", settings) for name, settings in budgets.items()}


def check_objective(owner: str, objective: str, metrics: Iterable[str]) -> None:
    """Raise `ConfigError` unless points can be ranked by `objective`; `metrics` are the user's."""
    own = [f"{split}_{name}" for split in ("validation", "test") for name in metrics]
    if objective in (*_OBJECTIVES, *own):
        return
    if f"validation_{objective}" in own:
        raise ConfigError(
            f"unknown objective of {owner} {objective!r}: it is measured on a split, so type "
            f"objective='validation_{objective}' or 'test_{objective}'"
        )
    raise ConfigError(unknown_name(objective, [*_MAIN_OBJECTIVES, *own], f"objective of {owner}"))


def check_metric(name: object, function: object) -> None:
    """Raise `ConfigError` unless a metric's name and the path of its function are usable."""
    if not isinstance(name, str) or not name.isidentifier():
        suggestion = re.sub(r"\W+", "_", str(name)).strip("_")
        suggestion = suggestion if suggestion.isidentifier() else f"m_{suggestion}".rstrip("_")
        raise ConfigError(
            f"a metric cannot be called {name!r}: use letters, digits and '_', such as "
            f"Metric(name={suggestion!r}, ...)"
        )
    check_metric_name(name)
    if not isinstance(function, str) or ":" not in function:
        raise ConfigError(
            f"metric {name} has function={function!r}: type "
            f"Metric(name={name!r}, function='package.module:function', ...)"
        )


def with_paths(owner: str, settings: object) -> Any:
    """Return `settings` with the path of each class or function in its place.

    Raises: ConfigError if `settings` is no mapping, or workers cannot import an object.
    """
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"{owner} is a {type(settings).__name__}: type a dict of settings and values, such as "
            '{"lr": 0.1}'
        )
    return {name: value_with_paths(str(name), value) for name, value in settings.items()}


def value_with_paths(name: str, value: Any) -> Any:
    """Return `value` with the path of each class or function in it."""
    if callable(value):
        return path_of(name, value)
    if isinstance(value, (tuple, list)) and any(map(callable, value)):
        return type(value)(value_with_paths(name, item) for item in value)
    return value


def check_values(name: str, values: object, owner: str = "a grid") -> None:
    """Raise `ConfigError` unless the `values` of a dimension are a list or tuple."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        shown = path_of(name, values) if callable(values) else values
        raise ConfigError(f"{name}={shown!r} in {owner} is no list: type ({shown!r},)")
