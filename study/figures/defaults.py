"""The figures that every grid has, made from the settings that vary in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.study import Figure
from study.analysis.points import FinalPoint, final_points, values_of
from study.analysis.range_test import RAMP
from study.analysis.results import Results
from study.analysis.search import is_search
from study.analysis.speedup import is_scaling
from study.analysis.wording import label
from study.figures import curves, style

_MOST_PANELS, _MOST_LINES = 9, 12
"""Limits of a figure with all points of two settings."""


def default_figures(results: Results) -> tuple[Figure, ...]:
    """Return the figures of a grid by its ranking quantity, for each of its data sets.

    - `curves`, if one or two settings vary: the learning curves of all points.
    - `curves-by-setting`, if two or more vary: the best points with each value.
    - `heat-map`, if two or more vary: final values over the two settings with the most values.
    - `final-values`: the points in order, with intervals.

    Searches, runs that compare workers, and the ramps of a range test have other figures.
    """
    if is_search(results) or is_scaling(results):
        return ()
    datasets = results.values_of("dataset")
    no_ramps = [s for s in results.values_of("schedule") if not str(s).startswith(RAMP)]
    has_ramps = len(no_ramps) < len(results.values_of("schedule"))
    # A choice of several schedules would merge the points that differ in it.
    without_ramps = {"schedule": no_ramps[0]} if has_ramps and len(no_ramps) == 1 else {}
    figures: list[Figure] = []
    for dataset in datasets:
        several = len(datasets) > 1
        figures += _figures(
            results,
            where={"dataset": dataset, **without_ramps},
            suffix=style.file_suffix([dataset]) if several else "",
            place=f" on {dataset}" if several else "",
        )
    return tuple(figures)


def _figures(results: Results, where: Mapping[str, Any], suffix: str, place: str) -> list[Figure]:
    quantity = results.objective
    settings, points = final_points(results, quantity, where)
    if not points:
        return []
    name = label(quantity)
    by_size = sorted(settings, key=lambda setting: -len(values_of(points, setting)))
    figures = []
    splits = _curve_options(results, quantity)
    if splits and len(settings) <= 2:
        figures.append(_all_curves(points, by_size, splits, name, where))
    if splits and len(settings) > 1:
        figures.append(
            Figure(
                name="curves-by-setting",
                kind="best_curves",
                title=f"{name.capitalize()} by {_and(settings)}: the best point with each value",
                options={
                    "quantity": splits["quantity"],
                    "part": splits["parts"][-1],
                    "ranked_by": quantity,
                    "where": where,
                },
            )
        )
    if len(settings) > 1:
        columns, rows = by_size[:2]
        figures.append(
            Figure(
                name="heat-map",
                kind="heat_map",
                title=f"Final {name} by {label(rows)} and {label(columns)}",
                options={"rows": rows, "columns": columns, "quantity": quantity, "where": where},
            )
        )
    figures.append(
        Figure(
            name="final-values",
            kind="final_values",
            title=f"Final {name}",
            options={"quantity": quantity, "where": where},
        )
    )
    return [
        Figure(
            name=figure.name + suffix,
            kind=figure.kind,
            title=figure.title + place,
            options=figure.options,
        )
        for figure in figures
        if figure.options
    ]


def _all_curves(
    points: list[FinalPoint],
    by_size: list[str],
    splits: Mapping[str, Any],
    name: str,
    where: Mapping[str, Any],
) -> Figure:
    """Declare the curves of all points: a panel per value of a setting, a line per another's."""
    counts = [len(values_of(points, setting)) for setting in by_size]
    options: dict[str, Any] = {}
    line, *panel = by_size or ["optimizer"]
    if all(n <= most for n, most in zip(counts, (_MOST_LINES, _MOST_PANELS), strict=False)):
        options = {**splits, "line": line, "panel": panel[0] if panel else None, "where": where}
    by = f" by {_and(by_size)}" if by_size else ""
    title = f"{splits['quantity'].capitalize()}{by}" if len(splits["parts"]) > 1 else name
    return Figure(name="curves", kind="curves", title=title, options=options)


def _curve_options(results: Results, quantity: str) -> dict[str, Any]:
    """Return the options of `curves` that draw a quantity; none if it has no curve."""
    records = results.records
    if quantity not in records:
        return {}
    measured_records = records.dropna(subset=quantity).groupby("trial").size()
    if not (measured_records > 1).any():
        # Measured only at the last record, such as the test accuracy.
        return {}
    for part in curves.SPLITS:
        kind = quantity.removeprefix(f"{part}_")
        if kind in curves.SPLIT_QUANTITIES and kind != quantity:
            measured = [p for p in curves.SPLITS if records[f"{p}_{kind}"].notna().any()]
            parts = ["train", part] if part != "train" and "train" in measured else [part]
            return {"quantity": kind, "parts": parts}
    return {"quantity": quantity, "parts": ["train"]}


def _and(settings: list[str]) -> str:
    *first, last = map(label, settings)
    return f"{', '.join(first)} and {last}" if first else last
