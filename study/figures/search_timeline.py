"""Search timeline: which trial ran when, and how it ended."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from study.analysis.results import Results
from study.analysis.search import number_of
from study.analysis.wording import provenance
from study.figures import style

_KINDS = {
    "finished": "trained to the end",
    "stopped": "stopped by the scheduler",
    "diverged": "diverged",
    "confirmation": "confirmation",
}


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A bar per trial from its start to its end in minutes since the first began, in the order of
    the starts. Of a trial that was begun again, the last attempt."""
    trials = results.counted.dropna(subset=["started", "ended"])
    if trials.empty:
        return {}
    began, over = (pd.to_datetime(trials[name], format="ISO8601") for name in ("started", "ended"))
    first = began.min()
    begun, ended = ((at - first).dt.total_seconds() / 60 for at in (began, over))
    return {"": _figure(results, trials, begun, ended, title)}


def _figure(
    results: Results, trials: pd.DataFrame, begun: pd.Series, ended: pd.Series, title: str
) -> Figure:
    kinds = trials["status"].where(trials["trial"].map(number_of).notna(), "confirmation")
    with style.styled():
        figure, (ax,) = style.panels(1)
        colours = style.colours(list(_KINDS))
        for place, index in enumerate(begun.sort_values(kind="stable").index):
            ax.barh(
                place,
                max(ended[index] - begun[index], 1e-3),
                left=begun[index],
                height=0.8,
                color=colours[kinds[index]],
            )
        ax.set_xlabel("minutes since the first trial began")
        ax.set_ylabel("trials, as they began")
        ax.invert_yaxis()
        entries: list[Artist] = [
            Patch(color=colours[kind], label=said)
            for kind, said in _KINDS.items()
            if kind in set(kinds)
        ]
        style.surround(figure, title, [entries], [provenance(results.run, trials) + "."])
    return figure
