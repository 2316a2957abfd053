"""Timeline of a search: when each trial ran, and how it ended."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from search_spaces.search_names import trial_number
from study.analysis.results import Results
from study.analysis.wording import provenance
from study.figures import style

_CONFIRMATION = "confirmation"
_KINDS = {
    "finished": "finished",
    "stopped": "stopped by the scheduler",
    "diverged": "diverged",
    _CONFIRMATION: "confirmation",
}


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a bar per trial from its start to its end, in minutes since the first start.

    A trial that was restarted shows its last attempt.

    Returns: one figure, keyed by an empty suffix, or none if no trial with a result has its times.
    """
    trials = results.completed.dropna(subset=["started", "ended"])
    if trials.empty:
        return {}
    times = trials[["started", "ended"]].apply(pd.to_datetime, format="ISO8601")
    minutes = (times - times["started"].min()) / pd.Timedelta(minutes=1)
    kinds = trials["status"].where(trials["trial"].map(trial_number).notna(), _CONFIRMATION)
    with style.styled():
        figure, (ax,) = style.panels(1)
        colors = style.colors(list(_KINDS))
        for row, index in enumerate(minutes["started"].sort_values(kind="stable").index):
            start, end = minutes.loc[index]
            ax.barh(row, max(end - start, 1e-3), left=start, height=0.8, color=colors[kinds[index]])
        ax.set_xlabel("minutes since the first trial started")
        ax.set_ylabel("trials in order of start")
        ax.invert_yaxis()
        legend = [
            style.color_entry(text, colors[kind])
            for kind, text in _KINDS.items()
            if kind in set(kinds)
        ]
        style.finish(figure, title, [legend], [provenance(results.run, trials) + "."])
    return {"": figure}
