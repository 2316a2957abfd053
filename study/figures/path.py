"""Paths of slope W and intercept b over the loss surface of a line fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lenet.config import ConfigError, check_setting
from study.analysis.results import Results, select
from study.analysis.wording import provenance
from study.figures import style


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
    """Draw the path of (W, b) from `start`, a panel per value of the setting `line`.

    Contours show the sum of squares of y = W x + b at the (x, y) of `points`. Paths end at step
    `until`, if given. Only the first seed is drawn: nothing in such a run is random.

    Returns: one figure, keyed by an empty suffix, or none if no trial in `where` has a result.
    Raises: ConfigError if a setting is unknown, or the run did not observe W and b.
    """
    for name in (*where, line):
        check_setting(name)
    trials = select(results.completed, where)
    trials = trials[trials["seed"] == trials["seed"].min()]
    if trials.empty:
        return {}
    for column in ("observed_W", "observed_b"):
        if column not in results.records:
            raise ConfigError(f"a path needs {column}, which no model of this run records")
    values = [v for v in results.values_of(line) if not select(trials, {line: v}).empty]
    paths = {}
    for value in values:
        name = select(trials, {line: value})["trial"].iloc[0]
        records = results.records[results.records["trial"] == name].sort_values("step")
        if until:
            records = records[records["step"] <= until]
        path = records[["observed_W", "observed_b"]].to_numpy(dtype=float)
        paths[value] = np.vstack([start, path[np.isfinite(path).all(axis=1)]])
    with style.styled():
        figure = _figure(paths, line, np.asarray(points, dtype=float), results)
        steps = f"First {until:,} steps" if until else "All steps"
        footer = [
            provenance(results.run, trials) + ".",
            f"{steps}. Contours show the logarithm of the sum of squares.",
        ]
        legend = [
            [
                style.entry("start", marker="o", size=4, mfc="white"),
                style.entry("end", marker="o", size=4),
                style.entry("minimum loss", marker="*", size=11),
            ]
        ]
        style.finish(figure, title, legend, footer)
    return {"": figure}


def _figure(
    paths: Mapping[Any, np.ndarray], line: str, points: np.ndarray, results: Results
) -> Figure:
    x, y = points.T
    optimum = np.polyfit(x, y, 1)
    visible = np.vstack([*paths.values(), optimum])
    low, high = visible.min(axis=0), visible.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 0.2)
    low, high = low - margin, high + margin
    slope, intercept = np.meshgrid(*(np.linspace(low[i], high[i], 160) for i in (0, 1)))
    residuals = slope[..., None] * x + intercept[..., None] - y
    surface = np.log10((residuals**2).sum(axis=-1) + 1e-6)
    colors = style.colors(results.values_of(line))
    figure, axes = style.panels(len(paths))
    for ax, (value, path) in zip(axes, paths.items(), strict=True):
        ax.contour(slope, intercept, surface, levels=12, cmap="Greys", linewidths=0.6, alpha=0.7)
        color = colors[value]
        ax.plot(path[:, 0], path[:, 1], "-", color=color, lw=1.3)
        ax.plot(*path[0], "o", color=color, mfc="white", ms=6, zorder=4)
        ax.plot(*path[-1], "o", color=color, ms=6, zorder=4)
        ax.plot(*optimum, "*", color=style.GREY, ms=11, zorder=3)
        ax.set_title(style.setting_value(line, value))
        ax.set_xlim(low[0], high[0])
        ax.set_ylim(low[1], high[1])
        ax.grid(visible=False)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    style.label_outer(axes, x="W", y="b")
    return figure
