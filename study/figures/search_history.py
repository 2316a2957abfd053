"""Search history: what each trial reached, and the best so far."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from search_spaces.study import maximized
from study.analysis.results import Results
from study.analysis.search import objectives_of, searched
from study.analysis.wording import label, provenance
from study.figures import style

_KINDS = {
    "finished": ("o", "trained to the end"),
    "stopped": ("|", "stopped by the scheduler"),
    "diverged": ("x", "diverged: at the edge"),
}


def draw(results: Results, title: str) -> dict[str, Figure]:
    """The objective of every trial of the search at its last record, by its number, and the best
    of those trained to the end so far. Nothing is drawn of two objectives."""
    trials = searched(results)
    objective, *others = objectives_of(results)
    if others or trials.empty:
        return {}
    percent = 100.0 if objective.endswith("_accuracy") else 1.0
    with style.styled():
        figure, (ax,) = style.panels(1)
        colours = style.colours(list(_KINDS))
        entries: list[Artist] = []
        whole = trials[trials["status"] == "finished"].dropna(subset=objective)
        for status, (marker, said) in _KINDS.items():
            of = trials[trials["status"] == status]
            if of.empty:
                continue
            if status == "diverged":
                edge = np.full(len(of), 0.02 if maximized(objective) else 0.98)
                ax.plot(
                    of["number"],
                    edge,
                    marker,
                    color=colours[status],
                    transform=ax.get_xaxis_transform(),
                )
            else:
                ax.plot(of["number"], percent * of[objective], marker, color=colours[status])
            entries.append(Line2D([], [], ls="", marker=marker, color=colours[status], label=said))
        values = percent * whole[objective].to_numpy(dtype=float)
        if len(values):
            best = (np.maximum if maximized(objective) else np.minimum).accumulate(values)
            ax.step(whole["number"], best, where="post", color="#444444")
            entries.append(Line2D([], [], color="#444444", label="best so far"))
        ax.set_xlabel("trial")
        ax.set_ylabel(f"{label(objective)}{' (%)' if percent == 100 else ''}")
        style.surround(figure, title, [entries], [provenance(results.run, trials) + "."])
    return {"": figure}
