"""Range test: the loss over the learning rate of a ramp, with what each rule suggests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lenet.config import nearest
from study.analysis.range_test import RULES, SHAPE, by_ramp, curve_of, smoothed, suggest
from study.analysis.range_test import ramps as ramps_of
from study.analysis.results import Results, select
from study.analysis.wording import label, provenance, value_text
from study.figures import FigureError, style

_CURVE = "#444444"
_SMOOTHED = 0.95
_POINTS = 200
_CEILING = 1.6
"""The axis ends there, in losses of the first record: what blows up leaves the panel."""


def draw(results: Results, title: str, *, quantity: str) -> dict[str, Figure]:
    """A figure per ramp, a panel per optimizer: `quantity` over the learning rate (log), smoothed,
    the mean over seeds with their range as a band; and each rule's learning rate with its 95%
    interval over seeds, beneath. A rule without a mark saw no true minimum.

    The figures are returned by the suffix of their names. Settings that vary besides are never
    averaged over: each combination has figures of its own. Raises `FigureError` on a loss that no
    record has.
    """
    if quantity not in results.records:
        raise FigureError(nearest(quantity, results.records.columns, "quantity"))
    shown = ramps_of(results)
    by = [name for name in ("schedule", "lr", *SHAPE, "optimizer") if name in shown]
    others = [
        name
        for name in results.varied
        if name not in by
        and (shown.groupby(by, dropna=False)[name].nunique(dropna=False) > 1).any()
    ]
    figures = {}
    for key, trials in shown.groupby(others, dropna=False) if others else [((), shown)]:
        said = [(name, value_text(value)) for name, value in zip(others, key, strict=True)]
        for ramp, inside in by_ramp(trials):
            suffix = style.suffix([ramp, *(f"{name}{text}" for name, text in said)])
            heading = "".join([f", ramp {ramp}", *(f", {label(n)} {text}" for n, text in said)])
            with style.styled():
                figures[suffix] = _figure(results, inside, title + heading, quantity)
    return figures


def _figure(results: Results, trials: pd.DataFrame, title: str, quantity: str) -> Figure:
    optimizers = [v for v in results.values_of("optimizer") if v in set(trials["optimizer"])]
    figure, axes = style.panels(len(optimizers))
    names = [rule.name for rule in RULES]
    colours, markers = style.colours(names), style.markers(names)
    heights: list[float] = []
    for ax, optimizer in zip(axes, optimizers, strict=True):
        ax.set_title(f"optimizer {optimizer}")
        inside = select(trials, {"optimizer": optimizer})
        heights += _curves(ax, results, inside, quantity)
        for place, rule in enumerate(RULES):
            found = suggest(results, inside, rule, quantity)
            if found.lr is None:
                continue
            height = 0.05 + 0.05 * (len(RULES) - 1 - place)
            across = ax.get_xaxis_transform()
            if found.interval:
                ax.plot(
                    found.interval, [height, height], color=colours[rule.name], transform=across
                )
            ax.plot(
                [found.lr],
                [height],
                markers[rule.name],
                color=colours[rule.name],
                markersize=6,
                transform=across,
            )
    _scale(axes, heights)
    style.few_decades(axes[0])
    for ax in axes:
        if ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel(label(quantity))
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("learning rate")
    seeds = trials.groupby("optimizer")["seed"].nunique().max()
    legend: list[list[Artist]] = [[Line2D([], [], color=_CURVE, label=f"{label(quantity)}")]]
    if seeds > 1:
        legend[0].append(Patch(color=_CURVE, alpha=0.2, label="range over seeds"))
    legend.append(
        [Line2D([], [], color=colours[n], marker=markers[n], markersize=6, label=n) for n in names]
    )
    footer = [
        provenance(results.run, trials) + ".",
        f"Losses are smoothed here ({_SMOOTHED:g} of the running mean is left after a step); each "
        "rule smooths as its source does. Marks are geometric means over seeds with their 95% "
        "interval; a rule without one saw no true minimum.",
    ]
    style.surround(figure, title, legend, footer)
    return figure


def _curves(ax: Axes, results: Results, trials: pd.DataFrame, quantity: str) -> list[float]:
    """Draw the mean curve with its band; the heights that the axis has to show."""
    ax.set_xscale("log")
    each, firsts = [], []
    for trial in trials["trial"]:
        curve = curve_of(results.records[results.records["trial"] == trial], quantity)
        losses = smoothed(curve, _SMOOTHED)
        # Where a ramp stays at a learning rate, the mean there.
        levels = pd.Series(losses).groupby(curve["lr"].to_numpy()).mean()
        if len(levels) > 1:
            each.append((levels.index.to_numpy(), levels.to_numpy()))
            firsts.append(float(losses[0]))
    if not each:
        ax.annotate("blows up at once", (0.5, 0.7), xycoords="axes fraction", ha="center")
        return []
    # The seeds of a ramp share its learning rates, but not where they end.
    low = max(lrs[0] for lrs, _ in each)
    high = min(lrs[-1] for lrs, _ in each)
    at = np.geomspace(low, high, _POINTS)
    values = np.array([np.interp(at, lrs, losses) for lrs, losses in each])
    ax.plot(at, values.mean(axis=0), color=_CURVE)
    if len(each) > 1:
        ax.fill_between(at, values.min(axis=0), values.max(axis=0), color=_CURVE, alpha=0.2, lw=0)
    for lrs, losses in each:
        beyond = lrs >= high
        if beyond.sum() > 1:
            ax.plot(lrs[beyond], losses[beyond], color=_CURVE, lw=0.8, alpha=0.8)
    return [*np.minimum(values.ravel(), _CEILING * min(firsts))]


def _scale(axes: list[Axes], heights: list[float]) -> None:
    if not heights:
        return
    low, high = min(heights), max(heights)
    room = 0.05 * (high - low) or 0.1
    # The lowest third is the marks', where no loss is.
    axes[0].set_ylim(low - room - 0.42 * (high - low), high + room)
    axes[0].set_yticks([tick for tick in axes[0].get_yticks() if low - room <= tick <= high + room])
