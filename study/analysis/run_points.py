"""The points of a run that is compared with another: what tells them apart, under common names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from lenet.config import TrainConfig, settings_in
from study.analysis.leaderboard import without_ramps_and_confirmations
from study.analysis.points import distinguishing_settings
from study.analysis.results import Results
from study.analysis.wording import format_setting

WORKERS = ("processor", "launcher", "workers", "strategy")
"""The columns that describe the workers of a scaling run's trials, besides its settings."""

Key = tuple[Hashable, ...]
"""The values that tell a point from the others."""


def ranked_trials(results: Results) -> pd.DataFrame:
    """Return the trials with a result that belong to a point."""
    return without_ramps_and_confirmations(results).completed


def point_names(*runs: Results) -> list[str]:
    """Return the columns that tell points apart: settings that vary within a run, and workers."""
    # Trials that are no points, such as those that confirm a search, may vary other settings.
    ranked = map(without_ramps_and_confirmations, runs)
    varied = {name for results in ranked for name in distinguishing_settings(results)}
    known = dict.fromkeys(name for results in runs for name in settings_in(results.trials))
    workers = [
        name
        for name in WORKERS
        if any(name in results.trials for results in runs)
        and any(results.trials[name].nunique() > 1 for results in runs if name in results.trials)
    ]
    return [*workers, *(name for name in known if name in varied)]


def point_key(row: dict[Any, Any], names: Sequence[str]) -> Key:
    """Return what the settings `names` are in a row of trials; equal in all runs of the point."""
    return tuple(_cell(row.get(name, _default(name))) for name in names)


def _default(name: str) -> Any:
    """Return the value that a run had before the setting existed."""
    field = TrainConfig.__dataclass_fields__.get(name)
    return None if field is None else field.default


def _cell(value: Any) -> Hashable:
    if value is None or value != value:
        return None
    if isinstance(value, tuple | list):
        return "+".join(map(str, value))
    # A column with missing values holds whole numbers as floats.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def setting_column(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a setting of the trials; its default if the run is older than the setting."""
    return table[name] if name in table else pd.Series([_default(name)], dtype=object)


def values_as_text(name: str, column: pd.Series) -> str:
    """List the values of a setting, many numbers by their ends."""
    values = sorted(column.dropna().unique().tolist(), key=lambda value: (str(type(value)), value))
    texts = [format_setting(name, value) for value in values]
    if column.isna().any():
        texts.insert(0, format_setting(name, None))
    if len(texts) > 4 and all(isinstance(value, int | float) for value in values):
        return f"{texts[0]} to {texts[-1]} ({len(texts)})"
    return ", ".join(texts)
