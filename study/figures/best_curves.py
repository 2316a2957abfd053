"""Learning curves by dimension: for each value of each setting, the curve of its best point."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from study.analysis.points import FinalPoint, final_points
from study.analysis.results import Results
from study.analysis.wording import format_setting, label, provenance
from study.figures import curves, scales, style

_MOST_PANELS = 6
_MOST_LINES = 8
_LABEL_GAP = 0.08
"""The least distance between two labels, as a share of the panel's height."""


def draw(
    results: Results,
    title: str,
    *,
    quantity: str,
    ranked_by: str,
    part: str,
    where: Mapping[str, Any],
) -> dict[str, Figure]:
    """Draw a panel per setting that varies, and in it a line per value.

    A line is the mean over seeds of the best point with that value, whatever its other settings;
    its band is the range over seeds. `quantity` and `part` mean the same as in `curves`.
    `ranked_by` names the final value that decides which point is best. Up to six settings have a
    panel, and the eight best values have a line.

    Returns: one figure, keyed by an empty suffix, or none if nothing varies or was measured.
    """
    settings, points = final_points(results, ranked_by, where)
    if not settings:
        return {}
    options = curves.Options(
        where=where, quantity=quantity, line=settings[0], parts=(part,), x=curves.axis(results)
    )
    (column,) = options.columns
    measured = results.records.dropna(subset=column)
    if measured.empty:
        return {}
    drawn = settings[:_MOST_PANELS]
    with style.styled():
        figure, axes = style.panels(len(drawn))
        panels = [curves.Panel(ax, options) for ax in axes]
        best = {name: _best_points(points, name) for name in drawn}
        ends: list[list[tuple[Any, Any]]] = []
        for panel, name in zip(panels, drawn, strict=True):
            panel.axes.set_title(label(name))
            ends.append(_add_lines(panel, results, best[name]))
        notes = curves.scale_axes(panels, options)
        for panel, name, labels in zip(panels, drawn, ends, strict=True):
            style.separate(panel.axes, panel.lines)
            _label_lines(panel, name, labels)
        trials = pd.concat(
            [point.trials for by_value in best.values() for point in by_value.values()]
        )
        trials = trials.drop_duplicates("trial")
        y_label = options.axis_label(trials)
        if options.has_splits:
            y_label = f"{curves.SPLITS[part]} {y_label}"
        style.label_outer(axes, x=options.x, y=y_label + scales.note(axes[0], "y"))
        others = [
            *curves.other_entries(trials, panels, options),
            *scales.add_chance(axes, "y", options.quantity, trials),
        ]
        style.finish(figure, title, [others], [*_footer(results, trials, settings, best), *notes])
    return {"": figure}


def _best_points(points: Sequence[FinalPoint], setting: str) -> dict[Any, FinalPoint]:
    """Return the best point of each value; `points` come best first."""
    best: dict[Any, FinalPoint] = {}
    for point in points:
        best.setdefault(point.settings[setting], point)
    return best


def _add_lines(
    panel: curves.Panel, results: Results, best: Mapping[Any, FinalPoint]
) -> list[tuple[Any, Any]]:
    """Draw the lines of the best values and return each value with its color."""
    values = sorted(list(best)[:_MOST_LINES], key=lambda value: (value is not None, value))
    colors, markers = style.colors(values), style.markers(values)
    for value in values:
        trials = best[value].trials
        records = results.records[results.records["trial"].isin(trials["trial"])]
        panel.add(trials, records, colors[value], markers[value])
    return [(value, colors[value]) for value in values]


def _label_lines(panel: curves.Panel, setting: str, labels: Sequence[tuple[Any, Any]]) -> None:
    """Write each value beside the end of its line, moved apart where they would overlap."""
    ax = panel.axes
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = {line.get_color(): np.asarray(line.get_xydata())[-1:] for line in panel.lines}
    places = []
    for value, color in labels:
        end = to_axes.transform(ends[color]) if color in ends and len(ends[color]) else [(1, 0)]
        places.append([float(end[0][1]), value, color])
    places.sort(key=lambda place: place[0])
    for below, above in itertools.pairwise(places):
        above[0] = max(above[0], below[0] + _LABEL_GAP)
    excess = max(0.0, places[-1][0] - 1.0)
    for height, value, color in places:
        ax.annotate(
            format_setting(setting, value),
            (1.01, height - excess),
            xycoords="axes fraction",
            va="center",
            size=8.5,
            color=color,
            annotation_clip=False,
        )


def _footer(
    results: Results,
    trials: pd.DataFrame,
    settings: Sequence[str],
    best: Mapping[str, Mapping[Any, FinalPoint]],
) -> list[str]:
    sentences = []
    if len(settings) > 1:
        sentences.append("Each line is the best point with that value; its other settings differ.")
    if len(settings) > len(best):
        sentences.append(f"Not shown: {', '.join(map(label, settings[len(best) :]))}.")
    for name, by_value in best.items():
        if len(by_value) > _MOST_LINES:
            sentences.append(f"Of {len(by_value)} values of {label(name)}, the best {_MOST_LINES}.")
    return [provenance(results.run, trials) + ".", " ".join(sentences)]
