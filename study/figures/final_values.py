"""Final values of the points of a grid, best on top, with their intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.points import FinalPoint, final_points, values_of
from study.analysis.results import Results
from study.analysis.wording import format_value, label, provenance
from study.figures import scales, style

_MOST_ROWS = 30


def draw(
    results: Results, title: str, *, quantity: str, where: Mapping[str, Any]
) -> dict[str, Figure]:
    """Draw a row per point: each seed's final `quantity`, their mean, and its 95% interval.

    Colors and markers show the first setting whose values are names, such as the optimizer. Points
    whose seeds all diverged have a cross at the edge. Of more than thirty points, only the best are
    drawn, and the title says so.

    Returns: one figure, keyed by an empty suffix, or none if no point in `where` has a value.
    """
    settings, points = final_points(results, quantity, where)
    shown = points[:_MOST_ROWS]
    if not any(point.values for point in shown):
        return {}
    if len(points) > len(shown):
        title += f", best {len(shown)} of {len(points)} points"
    named = [n for n in settings if all(isinstance(v, str) for v in values_of(points, n))]
    group = named[0] if named else None
    kinds = values_of(points, group) if group else [None]
    colors, markers = style.colors(kinds), style.markers(kinds)
    scale = style.scale(quantity)
    with style.styled():
        figure, (ax,) = style.panels(1)
        figure.set_size_inches(7.6, 1.0 + 0.27 * max(3, len(shown)))
        for row, point in enumerate(shown):
            kind = point.settings[group] if group else None
            look = {"color": colors[kind], "marker": markers[kind]}
            _draw_row(ax, row, point, scale=scale, **look)
        ax.set_yticks(range(len(shown)), [_name(point) for point in shown], size=8)
        ax.set_ylim(len(shown) - 0.4, -0.6)
        drawn = [scale * v for p in shown if p.values for v in (*p.values, p.mean)]
        ends = [scale * end for point in shown for end in point.interval or ()]
        scales.set_scale(ax, "x", quantity, drawn, optional=ends)
        ax.set_xlabel(style.axis_label(quantity) + scales.note(ax, "x"))
        chance = scales.add_chance([ax], "x", quantity, points[0].trials)
        trials = pd.concat([point.trials for point in shown])
        legend = [
            style.entry(format_value(kind), color=colors[kind], marker=markers[kind])
            for kind in kinds
            if group and any(point.settings[group] == kind for point in shown)
        ]
        marks = []
        if any(len(point.values) > 1 for point in shown):
            marks.append(style.entry("seed", marker="o", size=3.5, alpha=0.5))
        if any(point.interval for point in shown):
            marks.append(style.entry("mean, 95% interval", line="-", marker="o"))
        if any(point.diverged for point in shown):
            marks.append(style.entry("seeds that diverged", marker="x", size=7, mew=1.5))
        notes = "Intervals need two seeds."
        if scales.are_cut(ax, "x", ends):
            notes += " The frame cuts off those that reach far beyond all seeds."
        footer = [provenance(results.run, trials) + ".", notes]
        style.finish(figure, title, [legend, [*marks, *chance]], footer)
    return {"": figure}


def _draw_row(
    ax: Axes, row: int, point: FinalPoint, *, scale: float, color: Any, marker: str
) -> None:
    values = [scale * value for value in point.values]
    if len(values) > 1:
        # Seeds that end alike would hide each other on one line.
        heights = [row + 0.5 * offset for offset in style.spread(len(values))]
        # A mark at 100% stays whole at the edge of its panel.
        ax.plot(values, heights, "o", ms=3.5, color=color, alpha=0.5, mew=0, clip_on=False)
    if values:
        mark = {"ms": 6, "color": color, "mec": "white", "zorder": 4, "clip_on": False}
        ax.plot([scale * point.mean], [row], marker, **mark)
    if point.interval:
        ax.plot([scale * end for end in point.interval], [row, row], color=color, lw=1.4)
    if point.diverged:
        beside = ax.get_yaxis_transform()
        ax.plot([0.012], [row], "x", ms=7, mew=1.5, color=color, transform=beside, zorder=5)
        text = f"{point.diverged} of {len(point.trials)}"
        ax.text(0.028, row, text, transform=beside, va="center", size=8, color=style.GREY)


def _name(point: FinalPoint) -> str:
    """Return the settings of a point: names alone, numbers with their setting."""
    words = [
        value if isinstance(value, str) else style.setting_value(name, value)
        for name, value in point.settings.items()
    ]
    return ", ".join(words) or label("all trials")
