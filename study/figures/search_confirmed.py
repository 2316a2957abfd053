"""Search confirmed: the best points with fresh seeds, beside what the search saw."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis.results import Results
from study.analysis.search import confirmed, number_of, objectives_of
from study.analysis.wording import label, provenance
from study.figures import style


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A row per confirmed point, best on top: the objective by seed, its mean with the 95%
    interval, and the value that the search chose it by. The winner of the search stands out by
    having been lucky: its own value is a biased one."""
    found = confirmed(results)
    if not found:
        return {}
    objective = objectives_of(results)[0]
    percent = 100.0 if objective.endswith("_accuracy") else 1.0
    fresh, seen = style.colours(["fresh", "seen"]).values()
    with style.styled():
        figure, (ax,) = style.panels(1)
        for place, one in enumerate(found):
            ax.plot(
                [percent * value for value in one.values],
                [place] * len(one.values),
                "o",
                color=fresh,
                alpha=0.35,
            )
            ax.errorbar(
                percent * one.objective.mean,
                place,
                xerr=None if one.objective.n < 2 else percent * one.objective.half_width,
                fmt="D",
                color=fresh,
                capsize=3,
            )
            ax.plot(percent * one.search_value, place, "*", color=seen, markersize=10)
        ax.set_yticks(
            range(len(found)),
            [f"trial {one.number} (rank {one.search_rank} in the search)" for one in found],
        )
        ax.invert_yaxis()
        ax.set_xlabel(f"{label(objective)}{' (%)' if percent == 100 else ''}")
        entries: list[Artist] = [
            Line2D([], [], ls="", marker="o", color=fresh, alpha=0.35, label="a fresh seed"),
            Line2D([], [], marker="D", color=fresh, label="mean and 95% interval"),
            Line2D([], [], ls="", marker="*", markersize=10, color=seen, label="in the search"),
        ]
        trials = results.counted[results.counted["trial"].map(number_of).isna()]
        style.surround(figure, title, [entries], [provenance(results.run, trials) + "."])
    return {"": figure}
