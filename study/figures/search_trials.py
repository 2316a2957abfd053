"""What the figures of a search share: the trials, their coordinates and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from search_spaces.space import Choice, Dimension
from search_spaces.study import maximized
from study.analysis.results import Results
from study.analysis.search import ended, objectives_of, searched, space_of
from study.analysis.wording import amount, heading, label, value_text

_SHADES = 5


@dataclass(frozen=True)
class Trials:
    """The trials of a search that were trained to their end, worst first, so that the best are
    drawn over the others."""

    table: pd.DataFrame
    objective: str
    space: Sequence[Dimension]

    @classmethod
    def of(cls, results: Results) -> Trials:
        objective = objectives_of(results)[0]
        table = ended(searched(results)).dropna(subset=objective)
        table = table.sort_values(objective, ascending=maximized(objective), kind="stable")
        return cls(table.reset_index(drop=True), objective, space_of(results))

    @property
    def percent(self) -> float:
        return 100.0 if self.objective.endswith("_accuracy") else 1.0

    @property
    def axis(self) -> str:
        return f"{label(self.objective)}{' (%)' if self.percent == 100 else ''}"

    def present(self, dimension: Dimension) -> pd.Series:
        """Whether each trial has this dimension."""
        rows = self.table.to_dict("records")
        return pd.Series([dimension.present({str(k): v for k, v in row.items()}) for row in rows])

    def colours(self) -> list[Any]:
        """A colour per trial, by its rank: values crowd near the best."""
        scale = matplotlib.colormaps["viridis"]
        last = max(1, len(self.table) - 1)
        return [scale(0.92 * (1 - place / last)) for place in range(len(self.table))]

    def legend(self) -> list[Artist]:
        """What the colours stand for: the values at equal steps of rank."""
        colours = self.colours()
        places = sorted({round(x) for x in np.linspace(0, len(self.table) - 1, _SHADES)})
        return [
            Line2D(
                [],
                [],
                ls="",
                marker="o",
                markersize=6,
                color=colours[place],
                label=f"{heading(self.objective)} "
                f"{amount(self.objective, float(self.table[self.objective].iloc[place]))}",
            )
            for place in reversed(places)
        ]


def positions(dimension: Dimension, values: pd.Series) -> np.ndarray:
    """Where values of a dimension lie along an axis: choices at whole numbers."""
    if isinstance(dimension.over, Choice):
        places = {value: place for place, value in enumerate(dimension.over.values)}
        return np.array([places.get(value, np.nan) for value in values])
    return values.to_numpy(dtype=float)


def along_x(ax: Axes, dimension: Dimension) -> None:
    """Make the horizontal axis that of a dimension."""
    over = dimension.over
    if isinstance(over, Choice):
        names = [value_text(value) for value in over.values]
        if sum(map(len, names)) > 22:
            ax.set_xticks(range(len(names)), names, rotation=30, ha="right")
        else:
            ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
    else:
        if over.log:
            ax.set_xscale("log")
        ax.set_xlim(over.low, over.high)
    ax.set_xlabel(label(dimension.setting))
