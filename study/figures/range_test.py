"""Loss by learning rate along each ramp of a range test, with the rules' suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenet.config import ConfigError, unknown_name
from study.analysis.ramp_curves import SMOOTHING, ramp_curves
from study.analysis.range_rules import RULES
from study.analysis.range_test import (
    RAMP_SETTINGS,
    ramp_trials,
    split_by_ramp,
    suggest,
)
from study.analysis.results import Results, select
from study.analysis.wording import label, provenance
from study.figures import style

_MARK_WIDTH = 1 / 30
"""share of the axis that stays free beside the outermost suggestion"""
_ROW = 0.15
"""Height in inches of a rule's row in the strip below a panel."""
_STRIP = "#f5f5f2"
"""Background of the strip: its rows are rules, not losses."""
_CEILING = 1.6
"""Where the vertical axis ends, in multiples of the first loss: higher losses leave the panel."""


def draw(results: Results, title: str, *, quantity: str) -> dict[str, Figure]:
    """Draw a figure per ramp, a panel per optimizer: smoothed loss `quantity` by learning rate.

    Curves are means over seeds with their range. A strip below each panel has the learning rate
    that each rule suggests, with its 95% interval over seeds. A mark is empty if the suggestion is
    not to be trusted, and missing if the rule names no learning rate.

    Returns: the figures by file suffix: one for each ramp and each combination of the other
        settings that vary; none if no ramp has a result.
    Raises: ConfigError if the records lack `quantity`.
    """
    if quantity not in results.records:
        raise ConfigError(unknown_name(quantity, results.records.columns, "quantity"))
    trials = ramp_trials(results)
    shown = [n for n in ("schedule", "lr", *RAMP_SETTINGS, "optimizer") if n in trials]
    lines = trials.groupby(shown, dropna=False)
    others = [
        name
        for name in results.varied_settings
        if name not in shown and (lines[name].nunique(dropna=False) > 1).any()
    ]
    figures = {}
    for suffix, values, inside in style.by_combination(trials, others):
        for ramp, seeds in split_by_ramp(inside):
            with style.styled():
                figures[style.file_suffix([ramp]) + suffix] = _figure(
                    results, seeds, f"{title}, {ramp} ramp{values}", quantity
                )
    return figures


def _figure(results: Results, trials: pd.DataFrame, title: str, quantity: str) -> Figure:
    optimizers = [v for v in results.values_of("optimizer") if v in set(trials["optimizer"])]
    figure, axes = style.panels(len(optimizers))
    strips = _add_strips(figure, axes)
    heights: list[float] = []
    for ax, optimizer in zip(axes, optimizers, strict=True):
        ax.set_title(f"optimizer {optimizer}")
        inside = select(trials, {"optimizer": optimizer})
        heights += _plot_losses(ax, results, inside, quantity)
    low, high = axes[0].get_xlim()
    suggested = []
    for strip, optimizer in zip(strips, optimizers, strict=True):
        inside = select(trials, {"optimizer": optimizer})
        suggested += _plot_suggestions(strip, results, inside, quantity)
    if suggested:  # room for whole marks; an interval may be many decades wide
        room = (max(high, *suggested) / min(low, *suggested)) ** _MARK_WIDTH
        low, high = min(low, min(suggested) / room), max(high, max(suggested) * room)
    axes[0].set_xlim(low, high)
    _scale(axes[0], heights)
    style.label_outer(axes, y=label(quantity))
    style.label_outer(strips, x="learning rate", y="suggestions")
    colors, markers = _looks()
    legend: list[list[Artist]] = [
        [style.entry(label(quantity), line="-")],
        [style.entry(n, color=colors[n], line="-", marker=markers[n]) for n in colors],
    ]
    if trials.groupby("optimizer")["seed"].nunique().max() > 1:
        legend[0].append(style.band_entry("range over seeds"))
    footer = [
        provenance(results.run, trials) + ".",
        f"Curves are exponential moving averages of the loss (decay {SMOOTHING:g} per step); each "
        "rule smooths as its tool does. The strip below has a row per rule: marks are geometric "
        "means over seeds with 95% intervals. An empty mark is not to be trusted: the loss does "
        "not fall on this ramp, has not begun to there, or has risen again. A rule without a mark "
        "names no learning rate.",
    ]
    style.finish(figure, title, legend, footer)
    return figure


def _add_strips(figure: Figure, axes: Sequence[Axes]) -> list[Axes]:
    """Add a strip below each panel, with a row per rule, which takes over the panel's tick labels.

    In the panel itself, a mark would look like a loss.
    """
    width, height = figure.get_size_inches()
    places = [place for place in (ax.get_subplotspec() for ax in axes) if place is not None]
    rows, columns = places[0].get_gridspec().get_geometry()
    strip_height = _ROW * len(RULES)
    figure.set_size_inches(width, height + rows * strip_height)
    grid = figure.add_gridspec(
        2 * rows, columns, height_ratios=[height / rows, strip_height] * rows, hspace=0
    )
    strips = []
    for ax, place in zip(axes, places, strict=True):
        row, column = place.rowspan.start, place.colspan.start
        ax.set_subplotspec(grid[2 * row, column])
        below = grid[2 * row + 1, column]
        strip = figure.add_subplot(below, sharex=ax, facecolor=_STRIP)
        strip.tick_params(labelbottom=ax.xaxis.get_tick_params()["labelbottom"])
        strip.tick_params(labelleft=ax.yaxis.get_tick_params()["labelleft"])
        ax.tick_params(axis="x", which="both", labelbottom=False, length=0)
        strip.set_ylim(-0.7, len(RULES) - 0.3)
        strip.set_yticks([])
        strips.append(strip)
    return strips


def _looks() -> tuple[dict[str, Any], dict[str, str]]:
    """Return the colors and the markers of the rules."""
    names = [rule.name for rule in RULES]
    return style.colors(names), style.markers(names)


def _plot_losses(ax: Axes, results: Results, trials: pd.DataFrame, quantity: str) -> list[float]:
    """Draw the mean curve with its band and return the heights that the axis must show."""
    ax.set_xscale("log")
    curves = ramp_curves(results, trials, quantity)
    if curves is None:
        ax.annotate("blows up at once", (0.5, 0.7), xycoords="axes fraction", ha="center")
        return []
    ax.plot(curves.lrs, curves.values.mean(axis=0), color=style.GREY)
    if len(curves.values) > 1:
        band = curves.values.min(axis=0), curves.values.max(axis=0)
        ax.fill_between(curves.lrs, *band, color=style.GREY, alpha=0.2, lw=0)
    for lrs, losses in curves.tails:
        ax.plot(lrs, losses, color=style.GREY, lw=0.8, alpha=0.8)
    return [*np.minimum(curves.values.ravel(), _CEILING * min(curves.first_losses))]


def _plot_suggestions(
    strip: Axes, results: Results, trials: pd.DataFrame, quantity: str
) -> list[float]:
    """Draw each rule's suggestion in a separate row of the strip, with its interval.

    Returns: the suggested learning rates.
    """
    colors, markers = _looks()
    suggested = []
    for row, rule in enumerate(reversed(RULES)):
        suggestion = suggest(results, trials, rule, quantity)
        if suggestion.lr is None:
            continue
        suggested.append(suggestion.lr)
        color = colors[rule.name]
        if suggestion.interval:
            strip.plot(suggestion.interval, [row, row], color=color)
        strip.plot(
            [suggestion.lr],
            [row],
            markers[rule.name],
            color=color,
            markersize=6,
            markerfacecolor="white" if suggestion.problem else color,
        )
    return suggested


def _scale(axes: Axes, heights: list[float]) -> None:
    """Scale the axes that the panels share by the curves."""
    if heights:
        low, high = min(heights), max(heights)
        room = 0.05 * (high - low) or 0.1
        axes.set_ylim(low - room, high + room)
    # Powers of ten are too few labels for a short axis, and matplotlib's minor ones overlap.
    lowest, highest = axes.get_xlim()
    if highest / lowest < 100:
        style.plain_log_ticks(axes.xaxis)
