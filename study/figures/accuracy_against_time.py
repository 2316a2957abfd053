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
from matplotlib.ticker import MaxNLocator

from lenet.config import ConfigError, check_setting, unknown_name
from study.analysis.points import distinguishing_settings, point_curves
from study.analysis.results import Results, select
from study.analysis.wording import label, provenance
from study.figures import style


def draw(
    results: Results,
    title: str,
    *,
    colour: str,
    marker: str,
    where: Mapping[str, Any] | None = None,
    above: float | None = None,
    quantity: str = "test_accuracy",
) -> dict[str, Figure]:
    """Draw accuracy (%) against seconds of training: means over seeds with 95% intervals.

    The trials in `where` are drawn. The settings `colour` and `marker` choose how a mark looks.
    Accuracies up to `above`, in [0, 1], and diverged trials are left out. The time axis is
    logarithmic if it spans more than a factor of ten.

    Returns: one figure, keyed by an empty file suffix; none if there are no marks.
    Raises: ConfigError if a setting is unknown, or `quantity` is not an accuracy.
    """
    for setting in (colour, marker, *(where or ())):
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
    single = {name: results.values_of(name)[0] for name in (colour, marker) if name not in marks}
    marks = marks.assign(**single)
    trials = results.completed[results.completed["status"] != "diverged"]
    footer = [
        provenance(results.run, trials) + ".",
        _note(results, marks, above),
        *style.omission(results.trials, trials, "diverged, failed or unfinished"),
    ]
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        # Looks follow all values of the run, so that a value looks the same in all figures.
        colors = style.colors(whole.values_of(colour))
        markers = style.markers(whole.values_of(marker))
        legend = _scatter(axes, marks, (colour, colors), (marker, markers))
        _scale(axes, marks)
        axes.set_xlabel("training time (s)")
        axes.set_ylabel(style.axis_label(quantity))
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


def _scale(axes: Axes, marks: pd.DataFrame) -> None:
    """Scale the axes by the marks alone: intervals of two or three seeds may be far wider."""
    heights, seconds = 100 * marks["mean"], marks["train_seconds"]
    low, high = float(heights.min()), float(heights.max())
    margin = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - margin, min(high + margin, 100 + margin / 2))
    shortest, longest = float(seconds.min()), float(seconds.max())
    if shortest > 0 and longest / shortest > 10:
        axes.set_xscale("log")
        axes.set_xlim(shortest / 1.15, longest * 1.15)
        style.plain_log_ticks(axes.xaxis, (1, 2, 5) if longest / shortest < 1e3 else (1,))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8))


def _note(results: Results, marks: pd.DataFrame, above: float | None) -> str:
    varied = ", ".join(map(label, distinguishing_settings(results))) or "none"
    sentences = [f"Each mark is one config at one record. Settings that vary: {varied}."]
    if np.isfinite(marks["low"]).any():
        sentences.append("Marks are means over seeds with 95% intervals, which the frame may clip.")
    if above is not None:
        sentences.append(f"Only accuracies above {100 * above:g}% are shown.")
    return " ".join(sentences)
