"""Search pair: the trials over the two settings that matter most."""

from __future__ import annotations

from matplotlib.figure import Figure

from search_spaces.space import Choice
from study.analysis.results import Results
from study.analysis.search import importances
from study.analysis.wording import label, provenance, value_text
from study.figures import style
from study.figures.search_trials import Trials, along_x, positions


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A point per trial over the two most important dimensions that all trials have, coloured by
    rank. No surface is drawn through them: between a few dozen points it would be made up."""
    trials = Trials.of(results)
    whole = {d.setting: d for d in trials.space if trials.present(d).all()}
    first = [name for name in importances(results) if name in whole][:2]
    if len(first) < 2:
        return {}
    across, up = (whole[name] for name in first)
    with style.styled():
        figure, (ax,) = style.panels(1)
        ax.scatter(
            positions(across, trials.table[across.setting]),
            positions(up, trials.table[up.setting]),
            c=trials.colours(),
            s=30,
        )
        along_x(ax, across)
        if isinstance(up.over, Choice):
            ax.set_yticks(range(len(up.over.values)), [value_text(v) for v in up.over.values])
            ax.set_ylim(-0.5, len(up.over.values) - 0.5)
        else:
            if up.over.log:
                ax.set_yscale("log")
            ax.set_ylim(up.over.low, up.over.high)
        ax.set_ylabel(label(up.setting))
        footer = [
            provenance(results.run, trials.table) + ".",
            "Trials trained to their end; colours go by rank.",
        ]
        style.surround(figure, title, [trials.legend()], footer)
    return {"": figure}
