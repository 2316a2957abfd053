"""Importance of each setting of a search for the objective."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.search import finished_trials, importances, search_objectives, search_trials
from study.analysis.wording import label, provenance
from study.figures import style

_COLOR = "#0072B2"


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a bar per dimension, largest on top: its share of the first objective's variance.

    Returns: one figure, keyed by an empty suffix, or none if too few trials finished.
    """
    shares = importances(results)
    if not shares:
        return {}
    objective = search_objectives(results)[0]
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.barh(range(len(shares)), list(shares.values()), color=_COLOR)
        for row, share in enumerate(shares.values()):
            ax.annotate(
                f"{share:.2f}", (share, row), (4, 0), textcoords="offset points", va="center"
            )
        ax.set_yticks(range(len(shares)), [label(name) for name in shares])
        ax.invert_yaxis()
        ax.set_xlim(0, 1.1 * max(shares.values()))
        ax.set_xlabel("share of variance")
        footer = [
            provenance(results.run, finished_trials(search_trials(results))) + ".",
            "fANOVA over finished trials; a conditional setting counts the trials that have it. "
            "With few trials, shares are rough estimates.",
        ]
        legend = [style.color_entry(f"importance for {label(objective)}", _COLOR)]
        style.finish(figure, title, [legend], footer)
    return {"": figure}
