"""Accuracy against time: what each point had learnt after how many seconds of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from lenet.config import check_setting, nearest
from study.analysis.points import over_time, telling
from study.analysis.results import Results, select
from study.analysis.wording import counted, label, provenance, value_text
from study.figures import FigureError, style

_GREY = "#444444"


def draw(
    results: Results,
    title: str,
    *,
    colour: str,
    marker: str,
    above: float | None = None,
    quantity: str = "test_accuracy",
) -> dict[str, Figure]:
    """A mark for each point of the space at each record where it was evaluated: the accuracy in
    % over the seconds spent in training steps, means over seeds, with bars for the 95% interval
    of the accuracy where there are several seeds.

    The colour goes by the value of the setting `colour`, the marker by that of `marker`; the
    time is logarithmic where it spans more than a factor of ten. `above`, in [0, 1], leaves
    out accuracies that do not exceed it. Trials that diverged are not drawn.

    Returns one figure, or none if nothing is left. Raises `ConfigError` on an unknown setting,
    `FigureError` on a quantity that is no accuracy of the records.
    """
    check_setting(colour)
    check_setting(marker)
    accuracies = [str(n) for n in results.records if str(n).endswith("_accuracy")]
    if quantity not in accuracies:
        raise FigureError(nearest(quantity, accuracies, "accuracy"))
    marks = over_time(results, quantity)
    if not marks.empty and above is not None:
        marks = marks[marks["mean"] > above]
    if marks.empty:
        return {}
    # Settings with one value in the run are not among the columns.
    same = {name: results.values_of(name)[0] for name in (colour, marker)}
    marks = marks.assign(**{name: v for name, v in same.items() if name not in marks})
    trials = results.counted[results.counted["status"] != "diverged"]
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        legend = _scatter(axes, results, marks, colour, marker)
        _scale(axes, marks)
        axes.set_xlabel("training time (s)")
        axes.set_ylabel(f"{label(quantity)} (%)")
        footer = [provenance(results.run, trials) + ".", _meaning(results, marks, above)]
        footer += _left_out(results, trials)
        style.surround(figure, title, legend, footer)
    return {"": figure}


def _scatter(
    axes: Axes, results: Results, marks: pd.DataFrame, colour: str, marker: str
) -> list[list[Artist]]:
    """Draw the marks, and return the entries of the legend by group."""
    # Looks go by all values of the run, so that one value looks the same in all figures.
    shades = style.colours(results.values_of(colour))
    shapes = style.markers(results.values_of(marker))
    for shade in shades:
        for shape in shapes:
            if colour == marker and shade != shape:
                continue
            inside = select(select(marks, {colour: shade}), {marker: shape})
            bars = 100 * inside["half_width"]
            if not inside.empty:
                axes.errorbar(
                    inside["train_seconds"],
                    100 * inside["mean"],
                    yerr=bars.fillna(0.0) if bars.notna().any() else None,
                    fmt=shapes[shape],
                    color=shades[shade],
                    markersize=5,
                    alpha=0.8,
                    elinewidth=0.8,
                )
    drawn_shades = [v for v in shades if not select(marks, {colour: v}).empty]
    if colour == marker:
        return [[_entry(colour, v, shades[v], shapes[v]) for v in drawn_shades]]
    drawn_shapes = [v for v in shapes if not select(marks, {marker: v}).empty]
    return [
        [Patch(color=shades[v], lw=0, label=_called(colour, v)) for v in drawn_shades],
        [_entry(marker, v, _GREY, shapes[v]) for v in drawn_shapes],
    ]


def _entry(setting: str, value: Any, colour: Any, marker: str) -> Artist:
    return Line2D([], [], color=colour, marker=marker, ls="", ms=6, label=_called(setting, value))


def _called(setting: str, value: Any) -> str:
    return f"{label(setting)} {value_text(value)}"


def _scale(axes: Axes, marks: pd.DataFrame) -> None:
    """Scale the axes by the marks alone: the interval of two or three seeds may be many times
    as wide as all that there is to see."""
    heights, seconds = 100 * marks["mean"], marks["train_seconds"]
    low, high = float(heights.min()), float(heights.max())
    margin = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - margin, min(high + margin, 100 + margin / 2))
    shortest, longest = float(seconds.min()), float(seconds.max())
    if shortest > 0 and longest / shortest > 10:
        axes.set_xscale("log")
        axes.set_xlim(shortest / 1.15, longest * 1.15)
        subs = (1, 2, 5) if longest / shortest < 1e3 else (1,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8))


def _meaning(results: Results, marks: pd.DataFrame, above: float | None) -> str:
    others = ", ".join(map(label, telling(results))) or "none"
    said = f"A mark is one config at one record (settings that vary: {others})"
    if np.isfinite(marks["half_width"]).any():
        said += ", the mean over seeds; bars are 95% intervals, which the frame may cut off"
    only = f" Accuracies above {100 * above:g}% only." if above is not None else ""
    return f"{said}.{only}"


def _left_out(results: Results, shown: pd.DataFrame) -> list[str]:
    missing = len(results.trials) - len(shown)
    if not missing:
        return []
    of = counted(len(results.trials), "trial")
    return [f"Not shown: {missing} of {of}, diverged, failed or unfinished."]
