"""A search in the page: its history, its objective along each setting, and its trade-off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from search_spaces.objective import maximized
from search_spaces.space import Dimension, Range
from study.analysis.results import Results
from study.analysis.search import (
    finished_trials,
    pareto_front,
    search_objectives,
    search_trials,
    searched_space,
)
from study.analysis.wording import describe_settings, format_value, label
from study.figures.scales import is_bounded
from study.report.page.series import places, series


def describe(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the figures for which the search has data."""
    trials = search_trials(results)
    objective, *others = search_objectives(results)
    finished = finished_trials(trials).dropna(subset=[objective, *others])
    if finished.empty:
        return
    space = searched_space(results)
    if others:
        yield _trade_off(results, finished, space, objective, others[0])
    else:
        yield _history(trials, finished, space, objective)
    yield _slices(finished, space, objective)


def _axis(name: str) -> dict[str, Any]:
    percent = name.endswith("accuracy")
    kind = {"kind": "linear"} if is_bounded(name) and not percent else {}
    return {"label": label(name), "percent": percent, **kind}


def _rows(trials: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): row[name] for name in row} for row in trials.to_dict("records")]


def _texts(trials: pd.DataFrame, space: list[Dimension]) -> list[str]:
    """Return number and settings of each trial."""
    texts = []
    for row in _rows(trials):
        active = {d.setting: row[d.setting] for d in space if d.is_active(row)}
        texts.append(f"trial {row['number']}: {describe_settings(active)}")
    return texts


def _history(
    trials: pd.DataFrame, finished: pd.DataFrame, space: list[Dimension], objective: str
) -> dict[str, Any]:
    measured = []
    for status in ("finished", "stopped"):
        inside = trials[trials["status"] == status].dropna(subset=objective)
        if len(inside):
            texts = _texts(inside, space)
            points = inside["number"], inside[objective]
            measured.append(series(status, *points, mode="points", texts=texts))
    best_of = np.maximum if maximized(objective) else np.minimum
    best = best_of.accumulate(finished[objective].to_numpy(dtype=float))
    measured.append(series("best so far", finished["number"], best, mode="step", plain=True))
    diverged = int((trials["status"] == "diverged").sum())
    variant = {
        "label": "all",
        "x": {"label": "trial number"},
        "y": _axis(objective),
        "panels": [{"title": "", "series": measured}],
    }
    note = "Each trial of the search, in order."
    if diverged:
        note += f" {diverged} diverged and have no value."
    return {"id": "search-history", "title": "Search history", "note": note, "variants": [variant]}


def _slices(finished: pd.DataFrame, space: list[Dimension], objective: str) -> dict[str, Any]:
    """Return the objective along each dimension, a variant each."""
    variants = []
    for dimension in space:
        active = [dimension.is_active(row) for row in _rows(finished)]
        inside = finished[active]
        if inside.empty:
            continue
        name, values = dimension.setting, inside[dimension.setting]
        if isinstance(dimension.domain, Range):
            x: dict[str, Any] = {"label": label(name)}
            x["kind"] = "log" if dimension.domain.log else "linear"
            at = values.tolist()
        else:
            choices = list(dimension.domain.values)
            x = places([format_value(choice) for choice in choices], label(name))
            at = [choices.index(None if value != value else value) for value in values]
        points = series(
            "finished", at, inside[objective], mode="points", texts=_texts(inside, space)
        )
        variants.append(
            {
                "label": label(name),
                "x": x,
                "y": _axis(objective),
                "panels": [{"title": "", "series": [points]}],
            }
        )
    note = "Finished trials that have the setting."
    title = f"{label(objective).capitalize()} along each setting"
    return {"id": "search-slices", "title": title, "note": note, "variants": variants}


def _trade_off(
    results: Results, finished: pd.DataFrame, space: list[Dimension], one: str, other: str
) -> dict[str, Any]:
    front = pareto_front(results).sort_values(other)
    rest = finished[~finished["trial"].isin(front["trial"])]
    described = [
        series(name, inside[other], inside[one], mode="points", texts=_texts(inside, space))
        for name, inside in (("on the front", front), ("dominated", rest))
        if len(inside)
    ]
    variant = {
        "label": "all",
        "x": _axis(other),
        "y": _axis(one),
        "panels": [{"title": "", "series": described}],
    }
    note = "Finished trials; no other trial is better in both objectives than one on the front."
    return {"id": "trade-off", "title": "Trade-off", "note": note, "variants": [variant]}
