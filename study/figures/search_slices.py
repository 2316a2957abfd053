"""Objective of a search along each setting."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.wording import provenance
from study.figures import style
from study.figures.search_trials import Trials, coordinates, set_axis


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a panel per dimension, with a point per finished trial that has it, colored by rank.

    Returns: one figure, keyed by an empty suffix, or none if no trial finished.
    """
    trials = Trials.load(results)
    if trials.table.empty:
        return {}
    with style.styled():
        figure, axes = style.panels(len(trials.space), share_x=False)
        heights = style.scale(trials.objective) * trials.table[trials.objective]
        for ax, dimension in zip(axes, trials.space, strict=True):
            active = trials.active(dimension)
            if not active.any():
                ax.annotate("not used", (0.5, 0.5), xycoords="axes fraction", ha="center")
            at = coordinates(dimension, trials.table[dimension.setting])
            colors = [c for c, is_active in zip(trials.colors(), active, strict=True) if is_active]
            ax.scatter(at[active], heights[active], c=colors, s=22, clip_on=False)
            set_axis(ax, "x", dimension)
        style.label_outer(axes, y=style.axis_label(trials.objective))
        footer = [provenance(results.run, trials.table) + ".", trials.note]
        style.finish(figure, title, [trials.legend()], footer)
    return {"": figure}
