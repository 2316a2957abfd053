"""The way of two observed numbers, such as W and b, over the surface of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lenet.config import check_setting
from study.analysis.results import Results, select
from study.analysis.wording import label, provenance, value_text
from study.figures import FigureError, style

_GREY = "#444444"


def draw(
    results: Results,
    title: str,
    *,
    where: Mapping[str, Any],
    line: str,
    start: tuple[float, float],
    points: Sequence[tuple[float, float]],
    until: int | None = None,
) -> dict[str, Figure]:
    """The path of slope W and intercept b in their plane, a panel per value of the setting
    `line`, from `start`, over the contours of the sum of squares of y = W x + b at the
    (x, y) of `points`. `until` ends the paths at that step.

    One seed of each is drawn: nothing in such a run is random. Returns one figure, or none if
    no trial is left. Raises `ConfigError` on an unknown setting, `FigureError` where a run
    observed no W and b.
    """
    for name in (*where, line):
        check_setting(name)
    trials = select(results.counted, where)
    trials = trials[trials["seed"] == trials["seed"].min()]
    if trials.empty:
        return {}
    for column in ("observed_W", "observed_b"):
        if column not in results.records:
            raise FigureError(f"a path needs {column}, which no model of this run gave")
    values = [v for v in results.values_of(line) if not select(trials, {line: v}).empty]
    paths = {}
    for value in values:
        name = select(trials, {line: value})["trial"].iloc[0]
        records = results.records[results.records["trial"] == name].sort_values("step")
        if until:
            records = records[records["step"] <= until]
        way = records[["observed_W", "observed_b"]].to_numpy(dtype=float)
        paths[value] = np.vstack([start, way[np.isfinite(way).all(axis=1)]])
    with style.styled():
        figure = _figure(paths, line, np.asarray(points, dtype=float), results)
        steps = f"The first {until:,} steps" if until else "All steps"
        footer = [
            provenance(results.run, trials) + ".",
            f"{steps}. Contours are those of the logarithm of the sum of squares.",
        ]
        legend = [
            [
                Line2D([], [], color=_GREY, marker="o", ls="", mfc="white", label="start"),
                Line2D([], [], color=_GREY, marker="o", ls="", label="end"),
                Line2D([], [], color=_GREY, marker="*", ls="", ms=11, label="least loss"),
            ]
        ]
        style.surround(figure, title, legend, footer)
    return {"": figure}


def _figure(
    paths: Mapping[Any, np.ndarray], line: str, points: np.ndarray, results: Results
) -> Figure:
    x, y = points.T
    optimum = np.polyfit(x, y, 1)
    seen = np.vstack([*paths.values(), optimum])
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 0.2)
    low, high = low - margin, high + margin
    slope, intercept = np.meshgrid(*(np.linspace(low[i], high[i], 160) for i in (0, 1)))
    residuals = slope[..., None] * x + intercept[..., None] - y
    surface = np.log10((residuals**2).sum(axis=-1) + 1e-6)
    colours = style.colours(results.values_of(line))
    figure, axes = style.panels(len(paths))
    for ax, (value, way) in zip(axes, paths.items(), strict=True):
        ax.contour(slope, intercept, surface, levels=12, cmap="Greys", linewidths=0.6, alpha=0.7)
        colour = colours[value]
        ax.plot(way[:, 0], way[:, 1], "-", color=colour, lw=1.3)
        ax.plot(*way[0], "o", color=colour, mfc="white", ms=6, zorder=4)
        ax.plot(*way[-1], "o", color=colour, ms=6, zorder=4)
        ax.plot(*optimum, "*", color=_GREY, ms=11, zorder=3)
        ax.set_title(f"{label(line)} {value_text(value)}")
        ax.set_xlim(low[0], high[0])
        ax.set_ylim(low[1], high[1])
        ax.grid(visible=False)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
        if ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel("b")
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("W")
    return figure
