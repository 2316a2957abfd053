"""Parallel coordinates of a search: all settings of every finished trial."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from search_spaces.space import Choice, Dimension
from study.analysis.results import Results
from study.analysis.search import NOT_USED, search_provenance
from study.analysis.wording import format_value, label
from study.figures import style
from study.figures.search_trials import Trials, coordinates

_INACTIVE = -0.12
"""The height, below the axes, where a trial does not have a dimension."""


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw an axis per dimension and a line per finished trial, colored by rank, the best on top.

    Returns: one figure, keyed by an empty suffix, or none if no trial finished.
    """
    trials = Trials.load(results)
    if trials.table.empty:
        return {}
    columns = []
    for dimension in trials.space:
        at = _heights(dimension, coordinates(dimension, trials.table[dimension.setting]))
        columns.append(np.where(trials.active(dimension).to_numpy(), at, _INACTIVE))
    lines = np.column_stack(columns)
    has_inactive = bool((lines == _INACTIVE).any())
    with style.styled():
        figure, (ax,) = style.panels(1)
        figure.set_size_inches(max(6.4, 1.35 * len(trials.space)), 4.2)
        for heights, color in zip(lines, trials.colors(), strict=True):
            ax.plot(range(len(heights)), heights, color=color, lw=1.1, alpha=0.8)
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
        ax.set_yticks([_INACTIVE] if has_inactive else [], [NOT_USED] if has_inactive else [])
        ax.grid(visible=False)
        ax.set_xlim(-0.1, len(trials.space) - 0.4)
        ax.set_ylim(_INACTIVE - 0.06 if has_inactive else -0.06, 1.06)
        trials.add_color_bar(figure, [ax])
        footer = [search_provenance(results) + ".", trials.note]
        style.finish(figure, title, [], footer)
    return {"": figure}


def _heights(dimension: Dimension, at: np.ndarray) -> np.ndarray:
    """Return where coordinates lie between the ends of a dimension, in [0, 1]."""
    domain = dimension.domain
    if isinstance(domain, Choice):
        return at / max(1, len(domain.values) - 1)
    low, high = domain.low, domain.high
    if domain.log:
        at, low, high = np.log(at), float(np.log(low)), float(np.log(high))
    return (at - low) / (high - low)


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    """Return the choices of a dimension, or the ends of its range, each with its height."""
    domain = dimension.domain
    if isinstance(domain, Choice):
        last = max(1, len(domain.values) - 1)
        return [(place / last, format_value(value)) for place, value in enumerate(domain.values)]
    return [(0.0, f"{domain.low:g}"), (1.0, f"{domain.high:g}")]
