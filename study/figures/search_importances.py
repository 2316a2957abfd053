"""Importance of each setting of a search for the objective."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.importances import EVALUATOR_SEEDS, Importance, importances, left_out
from study.analysis.results import Results
from study.analysis.search import MIN_FOR_IMPORTANCES, search_objectives, search_provenance
from study.analysis.wording import label
from study.figures import style

_ALL, _SOME = "#0072B2", "#56B4E9"


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a bar per setting: its share of the first objective's variance, with its range.

    The bar is the mean over the seeds of fANOVA's forest, the line the lowest to highest seed. A
    setting that only some trials have gets another color: its share is of their variance alone.

    Returns: one figure, keyed by an empty suffix, or none if too few trials finished.
    """
    found = importances(results)
    if not found:
        return {}
    objective = label(search_objectives(results)[0])
    with style.styled():
        figure, (ax,) = style.panels(1)
        for row, one in enumerate(found):
            ax.barh(row, one.mean, color=_SOME if one.conditional else _ALL)
            ax.plot([one.low, one.high], [row, row], color=style.GREY, marker="|", markersize=8)
            ax.annotate(
                f"{one.mean:.2f}", (one.high, row), (6, 0), textcoords="offset points", va="center"
            )
        ax.set_yticks(range(len(found)), [_name(one) for one in found])
        ax.invert_yaxis()
        ax.set_xlim(0, 1.12 * max(one.high for one in found))
        ax.set_xlabel("share of variance")
        ax.grid(visible=False, axis="y")
        legend = [style.color_entry(f"importance for {objective}", _ALL)]
        if any(one.conditional for one in found):
            legend.append(style.color_entry("among the trials that have the setting", _SOME))
        seeds = style.entry(
            f"range over {len(EVALUATOR_SEEDS)} seeds of fANOVA", line="-", marker="|", size=8
        )
        style.finish(figure, title, [legend, [seeds]], _footer(results))
    return {"": figure}


def _name(one: Importance) -> str:
    return f"{label(one.setting)} ({one.trials} trials)" if one.conditional else label(one.setting)


def _footer(results: Results) -> list[str]:
    lines = [
        search_provenance(results) + ".",
        "Optuna's fANOVA over finished trials. Optuna's dashboard shows PED-ANOVA, another "
        "quantity. A range counts uniformly even where values were drawn on a log scale. Other "
        "trials move the shares further than other seeds do.",
    ]
    omitted = ", ".join(f"{label(name)} ({count})" for name, count in left_out(results).items())
    if omitted:
        lines.append(f"Left out, in fewer than {MIN_FOR_IMPORTANCES} finished trials: {omitted}.")
    return lines
