"""Finished trials of a search over its two most important settings."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.search import importances
from study.analysis.wording import provenance
from study.figures import style
from study.figures.search_trials import Trials, coordinates, set_axis


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a point per trial, colored by rank, over the two most important unconditional settings.

    No surface is interpolated: a few dozen points do not support one.

    Returns: one figure, keyed by an empty suffix, or none if too few trials finished.
    """
    trials = Trials.load(results)
    shared = {d.setting: d for d in trials.space if trials.active(d).all()}
    names = [name for name in importances(results) if name in shared][:2]
    if len(names) < 2:
        return {}
    x, y = (shared[name] for name in names)
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.scatter(
            coordinates(x, trials.table[x.setting]),
            coordinates(y, trials.table[y.setting]),
            c=trials.colors(),
            s=30,
            clip_on=False,
        )
        set_axis(ax, "x", x)
        set_axis(ax, "y", y)
        footer = [provenance(results.run, trials.table) + ".", trials.note]
        style.finish(figure, title, [trials.legend()], footer)
    return {"": figure}
