"""Make all tables of a study."""

from __future__ import annotations

import pandas as pd

from search_spaces.study import Study, Table
from study.analysis.results import Results
from study.kinds import Kinds
from study.tables import TableError

KINDS = Kinds("study.tables", "make", "table", frozenset({"make", "cells"}), TableError)


def make_all(asked: Study, results: Results) -> dict[str, tuple[Table, pd.DataFrame]]:
    """The study's tables by name, in their order, each with its declaration.

    A table that no trial of this run belongs to is left out. Raises `TableError` on a kind
    that does not exist or options that it does not take, `ConfigError` on a setting that does
    not exist.
    """
    tables: dict[str, tuple[Table, pd.DataFrame]] = {}
    for table in asked.tables:
        made: pd.DataFrame = KINDS.call(table, results)
        if not made.empty:
            tables[table.name] = (table, made)
    return tables
