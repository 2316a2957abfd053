"""Accuracy against training time: a mark per config and evaluated record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenet.config import ConfigError, check_setting, unknown_name
from study.analysis.points import distinguishing_settings, point_curves
from study.analysis.results import Results, select
from study.analysis.wording import label, provenance
from study.figures import scales, style


def draw(
    results: Results,
    title: str,
    *,
    color: str,
    marker: str,
    where: Mapping[str, Any] | None = None,
    above: float | None = None,
    quantity: str = "test_accuracy",
) -> dict[str, Figure]:
    """Draw accuracy (%) against seconds of training: means over seeds with 95% intervals.

    The trials in `where` are drawn. The settings `color` and `marker` choose how a mark looks.
    Accuracies up to `above`, in [0, 1], and diverged trials are left out. The axes have the scales
    of `scales.set_scale`.

    Returns: one figure, keyed by an empty file suffix; none if there are no marks.
    Raises: ConfigError if a setting is unknown, or `quantity` is not an accuracy.
    """
    for setting in (color, marker, *(where or ())):
        check_setting(setting)
    accuracies = [str(name) for name in results.records if str(name).endswith("_accuracy")]
    if quantity not in accuracies:
        raise ConfigError(unknown_name(quantity, accuracies, "accuracy"))
    whole = results
    results = replace(results, trials=select(results.trials, where or {}))
    marks = point_curves(results, quantity)
    if not marks.empty and above is not None:
        marks = marks[marks["mean"] > above]
    if marks.empty:
        return {}
    # The table has no columns for settings with a single value.
    single = {name: results.values_of(name)[0] for name in (color, marker) if name not in marks}
    marks = marks.assign(**single)
    trials = results.completed[results.completed["status"] != "diverged"]
    ends = [100 * end for name in ("low", "high") for end in marks[name] if np.isfinite(end)]
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        # Looks follow all values of the run, so that a value looks the same in all figures.
        colors = style.colors(whole.values_of(color))
        markers = style.markers(whole.values_of(marker))
        legend = _scatter(axes, marks, (color, colors), (marker, markers))
        heights = (100 * marks["mean"]).tolist()
        scales.set_scale(axes, "y", quantity, heights, optional=ends)
        scales.set_scale(axes, "x", "train_seconds", marks["train_seconds"].tolist())
        axes.set_xlabel("training time (s)")
        axes.set_ylabel(style.axis_label(quantity) + scales.note(axes, "y"))
        note = _note(results, above, has_intervals=bool(ends))
        if scales.are_cut(axes, "y", ends):
            note += " The frame cuts off those that reach far beyond all marks."
        footer = [
            provenance(results.run, trials) + ".",
            note,
            *style.omission(results.trials, trials, "diverged, failed or unfinished"),
        ]
        style.finish(figure, title, legend, footer)
    return {"": figure}


def _scatter(
    axes: Axes,
    marks: pd.DataFrame,
    by_color: tuple[str, Mapping[Any, Any]],
    by_marker: tuple[str, Mapping[Any, str]],
) -> list[list[Artist]]:
    """Draw the marks, each in the look of its settings' values; return the legend's groups."""
    (colored, colors), (marked, markers) = by_color, by_marker
    for color_value, color in colors.items():
        for marker_value, marker in markers.items():
            if colored == marked and color_value != marker_value:
                continue
            inside = select(select(marks, {colored: color_value}), {marked: marker_value})
            down, up = inside["mean"] - inside["low"], inside["high"] - inside["mean"]
            bars = 100 * np.array([down, up], dtype=float)
            if not inside.empty:
                axes.errorbar(
                    inside["train_seconds"],
                    100 * inside["mean"],
                    yerr=np.nan_to_num(bars) if np.isfinite(bars).any() else None,
                    fmt=marker,
                    color=color,
                    markersize=5,
                    alpha=0.8,
                    elinewidth=0.8,
                )
    drawn_colors = {v: c for v, c in colors.items() if not select(marks, {colored: v}).empty}
    drawn_markers = {v: m for v, m in markers.items() if not select(marks, {marked: v}).empty}
    if colored == marked:
        return [
            [
                style.entry(style.setting_value(colored, v), color=color, marker=markers[v])
                for v, color in drawn_colors.items()
            ]
        ]
    return [
        [style.color_entry(style.setting_value(colored, v), c) for v, c in drawn_colors.items()],
        [style.entry(style.setting_value(marked, v), marker=m) for v, m in drawn_markers.items()],
    ]


def _note(results: Results, above: float | None, *, has_intervals: bool) -> str:
    varied = ", ".join(map(label, distinguishing_settings(results))) or "none"
    sentences = [f"Each mark is one config at one record. Settings that vary: {varied}."]
    if above is not None:
        sentences.append(f"Only accuracies above {100 * above:g}% are shown.")
    if has_intervals:
        sentences.append("Marks are means over seeds with 95% intervals.")
    return " ".join(sentences)
