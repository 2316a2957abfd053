"""Settings in tables as plain Python values of their types."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lenet.config import coerce, settings_in


def plain_setting(name: str, value: Any) -> Any:
    """Return the value of a setting in its own type; None if it is unset (None or NaN)."""
    return None if value is None or value != value else coerce(name, value)


def with_plain_settings(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with whole numbers as such in columns that some rows leave unset.

    pandas turns whole numbers into floats there, so that a CSV file would have a batch of 64.0.
    """
    floats = [name for name in settings_in(table) if pd.api.types.is_float_dtype(table[name])]
    plain = {
        name: pd.Series(
            [plain_setting(name, value) for value in table[name]], table.index, dtype=object
        )
        for name in floats
    }
    return table.assign(**plain)
