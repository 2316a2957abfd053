"""Make all tables of a study."""

from __future__ import annotations

import pandas as pd

from search_spaces.study import Study, Table
from study.analysis.results import Results
from study.kinds import Kinds

KINDS = Kinds("study.tables", "make", "table", frozenset({"make", "cells"}))


def make_all(study: Study, results: Results) -> dict[str, tuple[Table, pd.DataFrame]]:
    """Return each table of the study with its declaration, by name.

    A table to which no trial of this run belongs is omitted.

    Raises: ConfigError if a kind does not exist or does not take the options of its table.
    """
    tables: dict[str, tuple[Table, pd.DataFrame]] = {}
    for table in study.tables:
        made: pd.DataFrame = KINDS.call(table, results)
        if not made.empty:
            tables[table.name] = (table, made)
    return tables
