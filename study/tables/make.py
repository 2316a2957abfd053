"""Make all tables of a study, and the statistics of any run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from search_spaces.study import Study, Table
from study.analysis.results import Results
from study.kinds import Kinds, OwnKindFailed
from study.tables.statistics import STATISTICS

KINDS = Kinds("study.tables", "make", "table", frozenset({"make", "cells", "statistics"}))


def make_all(
    study: Study, results: Results, note: Callable[[str], object] = print
) -> dict[str, tuple[Table, pd.DataFrame]]:
    """Return each table of the study with its declaration, by name.

    A table to which no trial of this run belongs is omitted. So is a table of the user's own kind
    that fails; `note` gets the reason.

    Raises: ConfigError if a kind does not exist or does not take the options of its table.
    """
    return _made(study.tables, results, note)


def make_statistics(results: Results) -> dict[str, tuple[Table, pd.DataFrame]]:
    """Return the statistics that apply to this run, like `make_all`."""
    return _made(STATISTICS, results)


def _made(
    declared: Sequence[Table], results: Results, note: Callable[[str], object] = print
) -> dict[str, tuple[Table, pd.DataFrame]]:
    tables: dict[str, tuple[Table, pd.DataFrame]] = {}
    for table in declared:
        try:
            made: pd.DataFrame = KINDS.call(table, results)
        except OwnKindFailed as error:
            note(str(error))
            continue
        if not made.empty:
            tables[table.name] = (table, made)
    return tables
