"""Pareto front of a search with two objectives."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.search import (
    finished_trials,
    pareto_front,
    search_objectives,
    search_provenance,
    search_trials,
)
from study.analysis.wording import pluralize
from study.figures import style

_TRIAL, _FRONT = "#999999", "#D55E00"


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a point per finished trial over its two objectives, and their Pareto front.

    Returns: one figure, keyed by an empty suffix, or none if no trial finished.
    """
    y, x = search_objectives(results)
    trials = finished_trials(search_trials(results)).dropna(subset=[x, y])
    if trials.empty:
        return {}
    front = pareto_front(results)
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.plot(style.scale(x) * trials[x], style.scale(y) * trials[y], "o", color=_TRIAL)
        ax.plot(
            style.scale(x) * front[x], style.scale(y) * front[y], "o-", color=_FRONT, markersize=6
        )
        if trials[x].min() > 0 and trials[x].max() > 10 * trials[x].min():
            ax.set_xscale("log")
        ax.set_xlabel(style.axis_label(x))
        ax.set_ylabel(style.axis_label(y))
        legend = [
            style.entry("trial", color=_TRIAL, marker="o", size=4),
            style.entry("Pareto front", color=_FRONT, line="-", marker="o"),
        ]
        footer = [
            search_provenance(results) + ".",
            f"Finished trials only, {pluralize(results.run.seeds, 'seed')} each.",
        ]
        style.finish(figure, title, [legend], footer)
    return {"": figure}
