"""Search parallel: all settings of every trial, an axis for each."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from search_spaces.space import Choice, Dimension
from study.analysis.results import Results
from study.analysis.wording import label, provenance, value_text
from study.figures import style
from study.figures.search_trials import Trials, positions

_ABSENT = -0.12


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A line per trial across an axis per dimension, the best drawn over the others; beneath the
    axes where a trial does not have a dimension."""
    trials = Trials.of(results)
    if trials.table.empty:
        return {}
    columns, absent = [], False
    for dimension in trials.space:
        there = trials.present(dimension).to_numpy()
        at = _heights(dimension, positions(dimension, trials.table[dimension.setting]))
        columns.append(np.where(there, at, _ABSENT))
        absent = absent or not there.all()
    lines = np.column_stack(columns)
    with style.styled():
        figure, (ax,) = style.panels(1)
        figure.set_size_inches(max(6.4, 1.35 * len(trials.space)), 4.2)
        for heights, colour in zip(lines, trials.colours(), strict=True):
            ax.plot(range(len(heights)), heights, color=colour, lw=1.1, alpha=0.8)
        for place, dimension in enumerate(trials.space):
            ax.axvline(place, color="#999999", lw=0.8, zorder=0)
            for height, text in _ticks(dimension):
                ax.annotate(
                    text,
                    (place, height),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    size=8,
                    bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.6},
                )
        ax.set_xticks(range(len(trials.space)), [label(d.setting) for d in trials.space])
        ax.set_yticks([_ABSENT] if absent else [], ["not there"] if absent else [])
        ax.grid(visible=False)
        ax.set_xlim(-0.1, len(trials.space) - 0.4)
        ax.set_ylim(_ABSENT - 0.06 if absent else -0.06, 1.06)
        footer = [
            provenance(results.run, trials.table) + ".",
            "Trials trained to their end; colours go by rank.",
        ]
        style.surround(figure, title, [trials.legend()], footer)
    return {"": figure}


def _heights(dimension: Dimension, at: np.ndarray) -> np.ndarray:
    over = dimension.over
    if isinstance(over, Choice):
        return at / max(1, len(over.values) - 1)
    low, high = over.low, over.high
    if over.log:
        at, low, high = np.log(at), float(np.log(low)), float(np.log(high))
    return (at - low) / (high - low)


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    over = dimension.over
    if isinstance(over, Choice):
        last = max(1, len(over.values) - 1)
        return [(place / last, value_text(value)) for place, value in enumerate(over.values)]
    return [(0.0, f"{over.low:g}"), (1.0, f"{over.high:g}")]
