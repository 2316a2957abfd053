"""Kinds of figures, tables and claims: one module each, found by its name, or the user's own."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lenet.config import ConfigError, unknown_name
from lenet.loading import describe_failure, load_object
from lenet.registry import is_own


class OwnKindFailed(ConfigError):
    """The user's own kind raised an error; the message names it with its file and line."""


class Declared(Protocol):
    """A figure, table or claim that a study declares."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


def problem_of(declared: Declared) -> str:
    """Say why the user's own kind cannot be loaded; empty if it can."""
    if is_own(declared.kind):
        try:
            load_object(declared.kind)
        except ConfigError as error:
            return str(error)
    return ""


@dataclass(frozen=True)
class Kinds:
    """The kinds in one package."""

    package: str
    function: str
    """name of the function in each module"""
    what: str
    """what is declared: figure, table or claim"""
    helpers: frozenset[str]
    """modules of the package that are not kinds"""

    def find(self, name: str) -> Callable[..., Any]:
        """Return the function of a kind; "package.module:function" is the user's own.

        Raises: ConfigError, naming the nearest kind, if `name` is unknown.
        """
        if is_own(name):
            own: Callable[..., Any] = load_object(name)
            return own
        paths = importlib.import_module(self.package).__path__
        known = {module.name for module in pkgutil.iter_modules(paths)} - self.helpers
        if name not in known:
            raise ConfigError(unknown_name(name, known, f"kind of {self.what}"))
        module = importlib.import_module(f"{self.package}.{name}")
        function: Callable[..., Any] = getattr(module, self.function)
        return function

    def check(self, declared: Declared, *inputs: object) -> None:
        """Raise `ConfigError` unless the kind of `declared` exists and takes its options."""
        _, options_class = self._bound(declared, *inputs)
        if options_class is not None:
            options_class(**declared.options)

    def call(self, declared: Declared, *inputs: object) -> Any:
        """Call the function of `declared` with `inputs` and its options.

        If the kind's module has a dataclass `Options`, the function gets an instance of it.

        Raises: ConfigError if the kind does not take the options, OwnKindFailed if it is the
        user's own and fails.
        """
        call, options_class = self._bound(declared, *inputs)
        if options_class is not None:
            return call(options_class(**declared.options))
        try:
            return call(**declared.options)
        except Exception as error:
            is_ours = type(error).__module__.startswith(("study.", "lenet."))
            if is_ours or not is_own(declared.kind):
                raise
            raise OwnKindFailed(
                f"{self.what} {declared.name}: {declared.kind} raises {describe_failure(error)}"
            ) from error

    def _bound(self, declared: Declared, *inputs: object) -> tuple[Callable[..., Any], Any]:
        """Return the function of `declared` with its inputs, and the class of its options."""
        function = self.find(declared.kind)
        call = functools.partial(function, *inputs)
        module = sys.modules.get(function.__module__)
        options_class = None if is_own(declared.kind) else getattr(module, "Options", None)
        try:
            inspect.signature(options_class or call).bind(**declared.options)
        except TypeError as error:
            raise ConfigError(
                f"{self.what} {declared.name}, of kind {declared.kind}: {error}"
            ) from None
        return call, options_class
