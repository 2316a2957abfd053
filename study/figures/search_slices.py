"""Objective of a search along each setting."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.search import search_provenance
from study.figures import scales, style
from study.figures.search_trials import SPREAD_NOTE, Trials, set_axis, spread_coordinates


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
            at = spread_coordinates(dimension, trials.table[dimension.setting])
            colors = [c for c, is_active in zip(trials.colors(), active, strict=True) if is_active]
            ax.scatter(at[active], heights[active], c=colors, s=22, clip_on=False)
            set_axis(ax, "x", dimension)
        scales.set_scale(axes[0], "y", trials.objective, heights.tolist())
        note = scales.note(axes[0], "y")
        style.label_outer(axes, y=style.axis_label(trials.objective) + note)
        chance = scales.add_chance(axes, "y", trials.objective, trials.table)
        trials.add_color_bar(figure, axes)
        footer = [search_provenance(results) + ".", f"{trials.note} {SPREAD_NOTE}"]
        style.finish(figure, title, [chance], footer)
    return {"": figure}
