"""Ranking by effort: a bar per point of a run, the least effort on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from lenet.config import check_setting
from study.analysis.effort import ranking
from study.analysis.points import distinguishing_settings
from study.analysis.results import Results, select
from study.analysis.wording import format_percent, provenance
from study.figures import style

_MOST_BARS = 30


def draw(
    results: Results,
    title: str,
    *,
    color: str,
    where: Mapping[str, Any] | None = None,
    quantity: str = "test_accuracy",
    above: float = 0.9,
) -> dict[str, Figure]:
    """Draw the effort of the points in `where` whose accuracy exceeds `above` (in [0, 1]).

    The effort is seconds of training per percentage point; see `study.analysis.effort.ranking`. The
    setting `color` chooses the color of a bar. The accuracy (%) and the step stand at its end. Of
    more than thirty points, only those with the least effort are drawn, and the title says so.

    Returns: one figure, keyed by an empty file suffix; none if no point is above `above`.
    Raises: ConfigError if a setting is unknown, or `quantity` is not an accuracy.
    """
    for setting in (color, *(where or ())):
        check_setting(setting)
    grid = replace(results, trials=select(results.trials, where or {}))
    ranked = ranking(grid, quantity, above)
    if ranked.empty:
        return {}
    shown = ranked.head(_MOST_BARS)
    if len(ranked) > len(shown):
        title += f", least {len(shown)} of {len(ranked)} points"
    settings = distinguishing_settings(grid)
    colors = style.colors(results.values_of(color))
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 1.0 + 0.27 * max(3, len(shown)))
        names = []
        for place, row in enumerate(shown.to_dict("records")):
            value = row.get(color, results.values_of(color)[0])
            axes.barh(place, row["effort"], height=0.7, color=colors[value], alpha=0.85)
            text = f" {format_percent(row['mean'])}% at {row['step']:,}"
            axes.text(row["effort"], place, text, va="center", size=7.5, color=style.GREY)
            names.append(", ".join(_words(name, row[name]) for name in settings))
        axes.set_yticks(range(len(shown)), names, size=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        low, high = float(shown["effort"].min()), float(shown["effort"].max())
        if low > 0 and high / low > 10:
            axes.set_xscale("log")
            # Room for the text at the end of the longest bar.
            axes.set_xlim(low / 2, high * (high / low) ** 0.35)
            style.plain_log_ticks(axes.xaxis, (1,) if high / low > 1e2 else (1, 3))
        else:
            axes.set_xlim(0, 1.35 * high)
        axes.set_xlabel("effort (seconds of training per percentage point of accuracy)")
        legend = [
            style.color_entry(style.setting_value(color, value), colors[value])
            for value in results.values_of(color)
            if not (color in shown and select(shown, {color: value}).empty)
        ]
        trials = grid.completed[grid.completed["status"] != "diverged"]
        note = (
            "Of each point, the most accurate record is shown, with its accuracy and step. "
            f"Only points above {100 * above:g}% are ranked."
        )
        style.finish(figure, title, [legend], [provenance(results.run, trials) + ".", note])
    return {"": figure}


def _words(setting: str, value: Any) -> str:
    return value if isinstance(value, str) else style.setting_value(setting, value)
