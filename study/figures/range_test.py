"""Loss by learning rate along each ramp of a range test, with the rules' suggestions."""

from __future__ import annotations

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
_CEILING = 1.6
"""Where the vertical axis ends, in multiples of the first loss: higher losses leave the panel."""


def draw(results: Results, title: str, *, quantity: str) -> dict[str, Figure]:
    """Draw a figure per ramp, a panel per optimizer: smoothed loss `quantity` by learning rate.

    Curves are means over seeds with their range. Beneath them is each rule's suggestion, with its
    95% interval over seeds. A mark is empty if the suggestion is not to be trusted, and missing if
    the rule names no learning rate.

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
    heights: list[float] = []
    for ax, optimizer in zip(axes, optimizers, strict=True):
        ax.set_title(f"optimizer {optimizer}")
        inside = select(trials, {"optimizer": optimizer})
        heights += _plot_losses(ax, results, inside, quantity)
    low, high = axes[0].get_xlim()
    suggested = []
    for ax, optimizer in zip(axes, optimizers, strict=True):
        inside = select(trials, {"optimizer": optimizer})
        suggested += _plot_suggestions(ax, results, inside, quantity)
    if suggested:  # room for whole marks; an interval may be many decades wide
        room = (max(high, *suggested) / min(low, *suggested)) ** _MARK_WIDTH
        low, high = min(low, min(suggested) / room), max(high, max(suggested) * room)
    axes[0].set_xlim(low, high)
    _scale(axes[0], heights)
    style.label_outer(axes, x="learning rate", y=label(quantity))
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
        "rule smooths as its tool does. Marks are geometric means over seeds with 95% intervals. "
        "An empty mark is not to be trusted: the loss does not fall on this ramp, has not begun to "
        "there, or has risen again. A rule without a mark names no learning rate.",
    ]
    style.finish(figure, title, legend, footer)
    return figure


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
    ax: Axes, results: Results, trials: pd.DataFrame, quantity: str
) -> list[float]:
    """Draw each rule's suggestion in a separate row below the curves, with its interval.

    Returns: the suggested learning rates.
    """
    colors, markers = _looks()
    suggested = []
    across = ax.get_xaxis_transform()
    for row, rule in enumerate(reversed(RULES)):
        suggestion = suggest(results, trials, rule, quantity)
        if suggestion.lr is None:
            continue
        suggested.append(suggestion.lr)
        height, color = 0.05 + 0.05 * row, colors[rule.name]
        if suggestion.interval:
            ax.plot(suggestion.interval, [height, height], color=color, transform=across)
        ax.plot(
            [suggestion.lr],
            [height],
            markers[rule.name],
            color=color,
            markersize=6,
            markerfacecolor="white" if suggestion.problem else color,
            transform=across,
        )
    return suggested


def _scale(axes: Axes, heights: list[float]) -> None:
    """Scale the shared axes by the curves, with the lowest third free for the suggestions."""
    if heights:
        low, high = min(heights), max(heights)
        room = 0.05 * (high - low) or 0.1
        axes.set_ylim(low - room - 0.42 * (high - low), high + room)
        ticks = [tick for tick in axes.get_yticks() if low - room <= tick <= high + room]
        axes.set_yticks(ticks)
    # Powers of ten are too few labels for a short axis, and matplotlib's minor ones overlap.
    lowest, highest = axes.get_xlim()
    if highest / lowest < 100:
        style.plain_log_ticks(axes.xaxis)
