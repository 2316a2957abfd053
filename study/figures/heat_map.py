"""Heat map of final values over two settings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.config import check_setting
from search_spaces.objective import maximized
from study.analysis.points import FinalPoint, final_points, values_of
from study.analysis.results import Results
from study.analysis.wording import format_setting, label, provenance
from study.figures import scales, style

_MOST_PANELS = 6
"""With more combinations of the other settings, a single panel shows the best of them."""
_MOST_WRITTEN = 9
"""Columns up to which the cells have room for their numbers."""
_DARK = 0.45
"""Brightness below which a cell's number is white."""
_HATCH: Any = {"fc": "#eeeeee", "ec": "#888888", "lw": 0}


def draw(
    results: Results,
    title: str,
    *,
    rows: str,
    columns: str,
    quantity: str,
    where: Mapping[str, Any],
) -> dict[str, Figure]:
    """Draw the final `quantity` of each point: a row and a column per value of two settings.

    Cells are means over seeds. A frame marks the best, hatching the points whose seeds all
    diverged. If other settings vary, there is a panel for each combination; if there are more than
    six, a cell is the best point over the others, as the title says.

    Returns: one figure, keyed by an empty suffix, or none if one of the two settings does not vary,
        or no point in `where` has a value.
    Raises: ConfigError if a setting is unknown.
    """
    for name in (rows, columns):
        check_setting(name)
    settings, points = final_points(results, quantity, where)
    if not ({rows, columns} <= set(settings) and any(point.values for point in points)):
        return {}
    others = [name for name in settings if name not in {rows, columns}]
    combinations = list(itertools.product(*(values_of(points, name) for name in others)))
    panels: list[tuple[str, list[FinalPoint]]] = []
    if len(combinations) <= _MOST_PANELS:
        for values in combinations:
            chosen = dict(zip(others, values, strict=True))
            inside = [p for p in points if all(p.settings[n] == v for n, v in chosen.items())]
            heading = ", ".join(style.setting_value(n, v) for n, v in chosen.items())
            panels += [(heading, inside)] if inside else []
    else:
        panels = [("", points)]
        title += f", best over {' and '.join(map(label, others))}"
    heights, widths = values_of(points, rows), values_of(points, columns)
    shown = [style.scale(quantity) * point.mean for point in points if point.values]
    norm, ticks = scales.color_norm(quantity, shown)
    with style.styled():
        figure, axes = style.panels(len(panels))
        colors = matplotlib.colormaps["viridis" if maximized(quantity) else "viridis_r"]
        for ax, (heading, inside) in zip(axes, panels, strict=True):
            ax.set_title(heading)
            for y, x in itertools.product(range(len(heights)), range(len(widths))):
                here = {rows: heights[y], columns: widths[x]}
                cell = next(
                    (p for p in inside if all(p.settings[n] == v for n, v in here.items())), None
                )
                if cell is not None:
                    is_best = cell is points[0]
                    color = colors(norm(style.scale(quantity) * cell.mean)) if cell.values else None
                    text = _text(cell, quantity) if len(widths) <= _MOST_WRITTEN else ""
                    _draw_cell(ax, x, y, color, text, is_best=is_best)
            _set_ticks(ax, "x", columns, widths)
            _set_ticks(ax, "y", rows, heights)
            ax.grid(visible=False)
        style.label_outer(axes, x=label(columns), y=label(rows))
        bar = figure.colorbar(ScalarMappable(norm, colors), ax=list(axes), ticks=ticks, pad=0.02)
        bar.set_label(style.axis_label(quantity) + (", log scale of errors" if ticks else ""))
        bar.ax.grid(visible=False)
        if ticks:
            bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
            bar.minorticks_off()
        trials = pd.concat([point.trials for point in points])
        legend = [Rectangle((0, 0), 1, 1, fill=False, ec="#D55E00", lw=2.5, label="best")]
        if any(not point.values for point in points):
            legend.append(
                Rectangle((0, 0), 1, 1, hatch="////", label="all seeds diverged", **_HATCH)
            )
        note = "Cells are means over the seeds that did not diverge."
        style.finish(figure, title, [legend], [provenance(results.run, trials) + ".", note])
    return {"": figure}


def _draw_cell(ax: Axes, x: int, y: int, color: Any, text: str, *, is_best: bool) -> None:
    corner = (x - 0.5, y - 0.5)
    if color is None:
        ax.add_patch(Rectangle(corner, 1, 1, hatch="////", **_HATCH))
        return
    ax.add_patch(Rectangle(corner, 1, 1, fc=color, ec="white", lw=0.5))
    brightness = float(np.dot(color[:3], (0.299, 0.587, 0.114)))
    ink = "white" if brightness < _DARK else "black"
    ax.text(x, y, text, ha="center", va="center", size=9, color=ink, linespacing=1.3)
    if is_best:
        inset = (x - 0.46, y - 0.46)
        ax.add_patch(Rectangle(inset, 0.92, 0.92, fill=False, ec="#D55E00", lw=2.5, zorder=3))


def _text(point: FinalPoint, quantity: str) -> str:
    """Return the mean and, below it, how many seeds diverged."""
    mean = style.scale(quantity) * point.mean
    text = f"{mean:.2f}" if quantity.endswith("accuracy") else f"{mean:.3g}"
    return text + (f"\n{point.diverged} of {len(point.trials)} div." if point.diverged else "")


def _set_ticks(ax: Axes, which: str, setting: str, values: Sequence[Any]) -> None:
    names = [format_setting(setting, value) for value in values]
    every = -(-len(values) // 15)
    places = list(range(0, len(values), every))
    labels = [names[place] for place in places]
    slant: dict[str, Any] = {}
    if which == "x" and max(map(len, labels)) * len(labels) > 30:
        slant = {"rotation": 30, "ha": "right"}
    (ax.set_xticks if which == "x" else ax.set_yticks)(places, labels, **slant)
    ax.set(**{f"{which}lim": (-0.5, len(values) - 0.5)})
