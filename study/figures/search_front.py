"""Search front: two objectives, and the trials that no other beats in both."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis.results import Results
from study.analysis.search import ended, front, objectives_of, searched
from study.analysis.wording import label, provenance
from study.figures import style

_ALL, _FRONT = "#999999", "#D55E00"


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A point per trial trained to its end over its two objectives, and their Pareto front."""
    one, other = objectives_of(results)
    trials = ended(searched(results)).dropna(subset=[one, other])
    if trials.empty:
        return {}
    best = front(results)
    scales = [100.0 if name.endswith("_accuracy") else 1.0 for name in (one, other)]
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.plot(scales[1] * trials[other], scales[0] * trials[one], "o", color=_ALL)
        ax.plot(scales[1] * best[other], scales[0] * best[one], "o-", color=_FRONT, markersize=6)
        if trials[other].min() > 0 and trials[other].max() > 10 * trials[other].min():
            ax.set_xscale("log")
        for set_label, name, scale in (
            (ax.set_ylabel, one, scales[0]),
            (ax.set_xlabel, other, scales[1]),
        ):
            set_label(f"{label(name)}{' (%)' if scale == 100 else ''}")
        entries = [
            Line2D([], [], ls="", marker="o", color=_ALL, label="a trial"),
            Line2D([], [], marker="o", markersize=6, color=_FRONT, label="not beaten in both"),
        ]
        footer = [provenance(results.run, trials) + ".", "One seed each; trained to their end."]
        style.surround(figure, title, [entries], footer)
    return {"": figure}
