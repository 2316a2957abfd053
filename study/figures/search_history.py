"""Objective of each trial of a search in order, with the best so far."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from search_spaces.objective import maximized
from study.analysis.results import Results
from study.analysis.search import search_objectives, search_provenance, search_trials
from study.figures import scales, style

_STATUSES = {
    "finished": ("o", "finished"),
    "stopped": ("|", "stopped by the scheduler"),
    "diverged": ("x", "diverged (drawn at the edge)"),
}


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw each trial's objective at its last record, and the best of the finished trials so far.

    A point with several seeds is drawn at their mean.

    Returns: one figure, keyed by an empty suffix; none if the search has two objectives or no trial
        with a result.
    """
    trials = search_trials(results)
    objective, *second = search_objectives(results)
    if second or trials.empty:
        return {}
    scale = style.scale(objective)
    with style.styled():
        figure, (ax,) = style.panels(1)
        colors = style.colors(list(_STATUSES))
        legend: list[Artist] = []
        for status, (marker, text) in _STATUSES.items():
            inside = trials[trials["status"] == status]
            if inside.empty:
                continue
            heights, transform = scale * inside[objective].to_numpy(dtype=float), ax.transData
            if status == "diverged":
                heights = np.full(len(inside), 0.02 if maximized(objective) else 0.98)
                transform = ax.get_xaxis_transform()
            ax.plot(inside["number"], heights, marker, color=colors[status], transform=transform)
            legend.append(style.entry(text, color=colors[status], marker=marker, size=4))
        notes = []
        finished = trials[trials["status"] == "finished"].dropna(subset=objective)
        if len(finished):
            values = scale * finished[objective].to_numpy(dtype=float)
            best = (np.maximum if maximized(objective) else np.minimum).accumulate(values)
            ax.step(finished["number"], best, where="post", color=style.GREY)
            legend.append(style.entry("best so far", line="-"))
            others = trials.loc[trials["status"] == "stopped", objective].dropna()
            stopped = (scale * others.astype(float)).tolist()
            scales.set_scale(ax, "y", objective, values.tolist(), optional=stopped)
            if scales.are_cut(ax, "y", stopped):
                notes.append("Stopped trials far from all finished ones are outside the frame.")
        legend += scales.add_chance([ax], "y", objective, trials)
        ax.set_xlabel("trial number")
        ax.set_ylabel(style.axis_label(objective) + scales.note(ax, "y"))
        style.finish(figure, title, [legend], [search_provenance(results) + ".", *notes])
    return {"": figure}
