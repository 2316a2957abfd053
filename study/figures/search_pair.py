"""Finished trials of a search over its two most important settings."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.importances import importances
from study.analysis.results import Results
from study.analysis.search import search_provenance
from study.figures import style
from study.figures.search_trials import SPREAD_NOTE, Trials, set_axis, spread_coordinates


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a point per trial, colored by rank, over the two most important unconditional settings.

    No surface is interpolated: a few dozen points do not support one.

    Returns: one figure, keyed by an empty suffix, or none if too few trials finished.
    """
    trials = Trials.load(results)
    shared = {d.setting: d for d in trials.space if trials.active(d).all()}
    names = [one.setting for one in importances(results) if one.setting in shared][:2]
    if len(names) < 2:
        return {}
    x, y = (shared[name] for name in names)
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.scatter(
            spread_coordinates(x, trials.table[x.setting]),
            spread_coordinates(y, trials.table[y.setting]),
            c=trials.colors(),
            s=30,
            clip_on=False,
        )
        set_axis(ax, "x", x)
        set_axis(ax, "y", y)
        trials.add_color_bar(figure, [ax])
        footer = [search_provenance(results) + ".", f"{trials.note} {SPREAD_NOTE}"]
        style.finish(figure, title, [], footer)
    return {"": figure}
