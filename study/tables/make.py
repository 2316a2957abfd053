"""Make all tables of a study."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pandas as pd

import study.tables
from lenet.config import nearest
from search_spaces.study import Study, Table
from study.analysis.results import Results
from study.tables import TableError

_NO_KINDS = {"make", "cells"}


def make_all(asked: Study, results: Results) -> dict[str, tuple[Table, pd.DataFrame]]:
    """The study's tables by name, in their order, each with its declaration.

    A table that no trial of this run belongs to is left out. Raises `TableError` on a kind
    that does not exist or options that it does not take, `ConfigError` on a setting that does
    not exist.
    """
    tables: dict[str, tuple[Table, pd.DataFrame]] = {}
    for table in asked.tables:
        make = kind(table.kind)
        try:
            inspect.signature(make).bind(results, **table.options)
        except TypeError as error:
            raise TableError(f"table {table.name}, of kind {table.kind}: {error}") from None
        made = make(results, **table.options)
        if not made.empty:
            tables[table.name] = (table, made)
    return tables


def kind(name: str) -> Callable[..., pd.DataFrame]:
    """The function that makes a kind of table; raises `TableError` naming the nearest."""
    known = {module.name for module in pkgutil.iter_modules(study.tables.__path__)} - _NO_KINDS
    if name not in known:
        raise TableError(nearest(name, known, "kind of table"))
    make: Callable[..., pd.DataFrame] = importlib.import_module(f"study.tables.{name}").make
    return make
