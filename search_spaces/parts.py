"""The parts of a study: its grids, figures, tables, claims and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lenet.config import ConfigError
from lenet.loading import path_of
from search_spaces.declaration import (
    check_metric,
    check_name,
    check_values,
    with_paths,
    with_paths_by_budget,
)

Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A space whose every point is a trial."""

    name: str = ""
    """the name by which a command selects it, such as `python -m study.grid --grids NAME`; grids
    that share a name are selected together"""
    space: Mapping[str, Sequence[Any]]
    """each dimension with its values"""
    settings: Settings = field(default_factory=dict)
    """settings shared by all trials of this grid"""
    budgets: Mapping[str, Settings] = field(default_factory=dict)
    """settings of this grid by budget; they override those of the whole study"""

    def __post_init__(self) -> None:
        if self.name:
            check_name("grid", self.name)
        what = f"grid {self.name}" if self.name else "a grid"
        for field_name in ("space", "settings"):
            settings = with_paths(f"{field_name} of {what}", getattr(self, field_name))
            object.__setattr__(self, field_name, settings)
        for name, values in self.space.items():
            check_values(name, values)
        object.__setattr__(self, "budgets", with_paths_by_budget(what, self.budgets))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a study.

    `kind` is the name of the module in `study.figures` that draws it; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Settings
    source: str = ""
    """the published figure that it repeats, such as `Fan, figure 3`. The title names it only where
    the run trained what the study declares; other runs have default figures in its place"""

    def __post_init__(self) -> None:
        check_name("figure", self.name)
        _kind_as_path(self)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a study.

    `kind` is the name of the module in `study.tables` that makes it; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("table", self.name)
        _kind_as_path(self)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of a published report, and how to test it.

    `kind` is the name of the module in `study.claims` whose `verdict` judges it; `options` are its
    keywords.
    """

    name: str
    source: str
    """author, section or figure"""
    statement: str
    """the claim, paraphrased"""
    published: str
    """the printed numbers; `none` if there are only words"""
    kind: str
    options: Settings

    def __post_init__(self) -> None:
        _kind_as_path(self)


def _kind_as_path(declared: Figure | Table | Claim) -> None:
    """Replace a function of the user's own, given as the kind, by its path."""
    if callable(declared.kind):
        object.__setattr__(declared, "kind", path_of("kind", declared.kind))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The user's own metric: a number for all outputs and targets of a held-out split."""

    name: str
    """records hold it as `validation_NAME` and `test_NAME`"""
    function: str
    """path of a function of outputs and targets, "package.module:function" """
    maximize: bool
    """whether higher is better"""
    low: float | None = None
    """the lowest value that it can take, which no interval goes below; None: there is none"""
    high: float | None = None
    """the highest value that it can take"""

    def __post_init__(self) -> None:
        if callable(self.function):
            object.__setattr__(self, "function", path_of("function", self.function))
        check_metric(self.name, self.function)
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ConfigError(
                f"metric {self.name} ranges from low={self.low:g} to high={self.high:g}: declare "
                "low below high"
            )

    @property
    def setting(self) -> str:
        """The metric as `TrainConfig.metrics` holds it."""
        return f"{self.name}:{'max' if self.maximize else 'min'}={self.function}"
