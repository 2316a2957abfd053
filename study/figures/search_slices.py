"""Search slices: the objective along each setting alone."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.wording import provenance
from study.figures import style
from study.figures.search_trials import Trials, along_x, positions


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A panel per dimension, a point per trial that has it. Several trials at one choice are
    set beside each other in the order of their numbers."""
    trials = Trials.of(results)
    if trials.table.empty:
        return {}
    with style.styled():
        figure, axes = style.panels(len(trials.space), share_x=False)
        colours = trials.colours()
        for ax, dimension in zip(axes, trials.space, strict=True):
            there = trials.present(dimension)
            if not there.any():
                ax.annotate("in no trial", (0.5, 0.5), xycoords="axes fraction", ha="center")
            at = positions(dimension, trials.table[dimension.setting])
            ax.scatter(
                at[there],
                trials.percent * trials.table.loc[there, trials.objective],
                c=[colour for colour, has in zip(colours, there, strict=True) if has],
                s=22,
            )
            along_x(ax, dimension)
            if ax.yaxis.get_tick_params()["labelleft"]:
                ax.set_ylabel(trials.axis)
        footer = [
            provenance(results.run, trials.table) + ".",
            "Trials trained to their end; colours go by rank.",
        ]
        style.surround(figure, title, [trials.legend()], footer)
    return {"": figure}
