"""Confirmed points of a search: the objective with fresh seeds, beside its value in the search."""

from __future__ import annotations

from matplotlib.figure import Figure

from search_spaces.search_names import trial_number
from study.analysis.results import Results
from study.analysis.search import confirmed_points, search_objectives
from study.analysis.wording import provenance
from study.figures import style


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a row per confirmed point, best on top: fresh seeds, their mean, the search's value.

    The mean has a 95% interval. The search's value of its winner is biased: it was chosen for
    being the best.

    Returns: one figure, keyed by an empty suffix, or none if no point is confirmed.
    """
    points = confirmed_points(results)
    if not points:
        return {}
    objective = search_objectives(results)[0]
    scale = style.scale(objective)
    fresh, searched = style.colors(["fresh", "searched"]).values()
    with style.styled():
        figure, (ax,) = style.panels(1)
        figure.set_size_inches(6.4, 1.1 + 0.5 * len(points))
        for row, point in enumerate(points):
            values = [scale * value for value in point.values]
            beside = [row + 0.5 * offset for offset in style.spread(len(values))]
            ax.plot(values, beside, "o", color=fresh, alpha=0.35)
            mean = point.objective
            bar = [[scale * (mean.mean - mean.low)], [scale * (mean.high - mean.mean)]]
            ax.errorbar(
                scale * mean.mean,
                row,
                xerr=None if mean.n < 2 else bar,
                fmt="D",
                color=fresh,
                capsize=3,
            )
            ax.plot(scale * point.search_value, row, "*", color=searched, markersize=10)
        ax.set_yticks(
            range(len(points)),
            [f"trial {point.number} (search rank {point.search_rank})" for point in points],
        )
        ax.set_ylim(len(points) - 0.5, -0.5)
        ax.set_xlabel(style.axis_label(objective))
        legend = [
            style.entry("fresh seed", color=fresh, marker="o", size=4, alpha=0.35),
            style.entry("mean, 95% interval", color=fresh, line="-", marker="D", size=4),
            style.entry("value in the search", color=searched, marker="*", size=10),
        ]
        trials = results.completed[results.completed["trial"].map(trial_number).isna()]
        style.finish(figure, title, [legend], [provenance(results.run, trials) + "."])
    return {"": figure}
