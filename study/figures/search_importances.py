"""Search importances: which settings the objective depends on."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from study.analysis.results import Results
from study.analysis.search import ended, importances, objectives_of, searched
from study.analysis.wording import label, provenance
from study.figures import style

_COLOUR = "#0072B2"


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A bar per dimension: its share of the variance of the first objective (fANOVA), most on
    top. Nothing is drawn of too few trials."""
    shares = importances(results)
    if not shares:
        return {}
    objective = objectives_of(results)[0]
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.barh(range(len(shares)), list(shares.values()), color=_COLOUR)
        for place, share in enumerate(shares.values()):
            ax.annotate(
                f"{share:.2f}", (share, place), (4, 0), textcoords="offset points", va="center"
            )
        ax.set_yticks(range(len(shares)), [label(name) for name in shares])
        ax.invert_yaxis()
        ax.set_xlim(0, 1.1 * max(shares.values()))
        ax.set_xlabel("share of the variance")
        footer = [
            provenance(results.run, ended(searched(results))) + ".",
            "fANOVA over the trials trained to their end; a setting that not all of them have, "
            "over those that have it. Few trials make it a rough guess.",
        ]
        entries = [Patch(color=_COLOUR, label=f"importance for the {label(objective)}")]
        style.surround(figure, title, [entries], footer)
    return {"": figure}
