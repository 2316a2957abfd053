"""Kinds that a study names: a module of a package, with one function that takes its options."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lenet.config import nearest
from study.analysis.results import ReportError


class Declared(Protocol):
    """A figure, table or claim of a study."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Kinds:
    """The kinds of one package."""

    package: str
    function: str
    """what each module's function is called"""
    what: str
    """what is declared: a figure, a table, a claim"""
    helpers: frozenset[str]
    """modules of the package that are no kinds"""
    error: type[ReportError]

    def find(self, name: str) -> Callable[..., Any]:
        """The function of a kind; raises `error` naming the nearest."""
        places = importlib.import_module(self.package).__path__
        known = {module.name for module in pkgutil.iter_modules(places)} - self.helpers
        if name not in known:
            raise self.error(nearest(name, known, f"kind of {self.what}"))
        found: Callable[..., Any] = getattr(
            importlib.import_module(f"{self.package}.{name}"), self.function
        )
        return found

    def call(self, declared: Declared, *first: object) -> Any:
        """What the kind of `declared` makes of `first` and the options; raises `error` if it
        does not take them."""
        function = self.find(declared.kind)
        try:
            inspect.signature(function).bind(*first, **declared.options)
        except TypeError as error:
            raise self.error(
                f"{self.what} {declared.name}, of kind {declared.kind}: {error}"
            ) from None
        return function(*first, **declared.options)
