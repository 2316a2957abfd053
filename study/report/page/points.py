"""The points of a run, its trials and their records, as the page's script reads them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lenet.records import Record
from search_spaces.space import Range
from study.analysis.leaderboard import point_settings, without_ramps_and_confirmations
from study.analysis.range_test import RAMP
from study.analysis.results import Results
from study.analysis.search import is_search, searched_space, words_for_unset
from study.analysis.speedup import is_scaling
from study.analysis.wording import format_mean, format_setting, label
from study.figures.scales import is_bounded
from study.report.page.columns import number, numbers, packed

_WORKERS = ("launcher", "strategy", "processor", "workers", "width", "batch_size")
"""What distinguishes the points of a run that compares workers."""
_RECORDED = (
    "step",
    "epoch",
    "train_seconds",
    "lr",
    "train_loss",
    "validation_loss",
    "test_loss",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "samples_per_second",
)
"""The columns of the records that the page holds, besides everything that a model observed."""


def describe_points(results: Results, board: pd.DataFrame) -> dict[str, Any]:
    """Return the points of a run, best first, with their trials and records.

    `settings`: the columns that distinguish points, whether a search sampled their values from a
    range, and what a missing value means; `columns`: a list per setting and measurement; `means`:
    the text of each measurement with its interval, for the ranked points;
    `trials`: `name`, `status`, `seed` and the index of the `point` of each trial that has records;
    `records`: `counts` per trial, and packed columns. Points without a rank have no trial with a
    result yet; ramps of a range test and trials that confirm a search belong to no point.
    """
    trials = _own_trials(results)
    settings = _settings(results, board)
    space = searched_space(results) if is_search(results) else []
    sampled = {each.setting for each in space if isinstance(each.domain, Range)}
    unset = words_for_unset(results)
    columns = _ranked(board, settings)
    index = {key: row for row, key in enumerate(_keys(board, settings))} if len(board) else {}
    points = []
    for key, values in zip(
        _keys(trials, settings), trials[settings].to_dict("records"), strict=True
    ):
        if key not in index:
            index[key] = len(index)
            for name, column in columns.items():
                column.append(_cell(values[name]) if name in settings else None)
        points.append(index[key])
    has_records = trials["trial"].isin(results.records["trial"])
    trials = trials.assign(point=points)[has_records]
    return {
        "settings": [
            {
                "name": name,
                "label": label(name),
                "isSampled": name in sampled,
                "unset": unset.get(name, format_setting(name, None)),
            }
            for name in settings
        ],
        "columns": columns,
        "means": _means(board),
        "trials": {
            "name": trials["trial"].tolist(),
            "point": trials["point"].tolist(),
            "seed": trials["seed"].astype(int).tolist(),
            "status": trials["status"].tolist(),
        },
        "records": _records(results, trials["trial"].tolist()),
    }


def _own_trials(results: Results) -> pd.DataFrame:
    """Return the trials that belong to a point, also those without a result yet."""
    if is_scaling(results):
        return results.trials.dropna(subset=["workers"])
    trials = without_ramps_and_confirmations(results).trials
    return trials[~trials["schedule"].astype(str).str.startswith(RAMP)]


def _settings(results: Results, board: pd.DataFrame) -> list[str]:
    if len(board):
        measured = next(i for i, name in enumerate(board) if f"{name}_low" in board)
        return [str(name) for name in board.columns[1:measured]]
    names = _WORKERS if is_scaling(results) else point_settings(results)
    return [name for name in names if name in results.trials]


def _ranked(board: pd.DataFrame, settings: list[str]) -> dict[str, list[Any]]:
    """Return the columns of the leaderboard; only the settings' columns if it has no rows."""
    if board.empty:
        return {name: [] for name in settings}
    return {
        str(name): [_cell(value) for value in board[name]]
        if name in settings
        else numbers(board[name])
        for name in board
    }


def _means(board: pd.DataFrame) -> dict[str, list[str | None]]:
    """Return the text of each mean with its interval, as on the terminal; None if unmeasured."""
    return {
        str(name): [
            None if mean != mean else format_mean(str(name), mean, low, high)
            for mean, low, high in zip(
                board[name], board[f"{name}_low"], board[f"{name}_high"], strict=True
            )
        ]
        for name in board
        if f"{name}_low" in board
    }


def _keys(table: pd.DataFrame, settings: list[str]) -> list[tuple[Any, ...]]:
    rows = table[settings].itertuples(index=False, name=None)
    return [tuple(map(_cell, row)) for row in rows]


def _cell(value: Any) -> Any:
    """Return a setting as JSON holds it: text, a number, or None if it is unset."""
    if value is None or isinstance(value, str):
        return value
    return bool(value) if isinstance(value, bool) else number(value)


def _records(results: Results, names: list[str]) -> dict[str, Any]:
    order = {name: i for i, name in enumerate(names)}
    records = results.records[results.records["trial"].isin(order)]
    records = records.assign(_order=records["trial"].map(order)).sort_values(["_order", "step"])
    counts = records.groupby("_order", sort=True).size()
    # Observed numbers, and the user's own metrics.
    others = [str(n) for n in results.records if n not in Record.__dataclass_fields__]
    others.remove("trial")
    shown = [n for n in (*_RECORDED, *others) if n in records and records[n].notna().any()]
    return {
        "counts": counts.tolist(),
        "columns": [
            {
                "name": name,
                "label": label(name.removeprefix("observed_")),
                "isBounded": is_bounded(name),
            }
            for name in shown
        ],
        "packed": {name: packed(records[name].to_numpy(dtype=float)) for name in shown},
    }
