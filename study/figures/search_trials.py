"""What the figures of a search share: its finished trials, with their positions and colors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from search_spaces.objective import maximized
from search_spaces.space import Choice, Dimension
from study.analysis.results import Results
from study.analysis.search import finished_trials, search_objectives, search_trials, searched_space
from study.analysis.wording import format_measurement, format_value, label
from study.figures import style

_BAR_LABELS = 5
SPREAD_NOTE = "Points at a choice are spread, so that none hides another."
_SPREAD = 0.5
"""Width of the strip of points at one choice, whose neighbors are 1 apart."""


@dataclass(frozen=True)
class Trials:
    """The finished trials of a search, worst first, so that the best are drawn on top."""

    table: pd.DataFrame
    objective: str
    space: Sequence[Dimension]

    @classmethod
    def load(cls, results: Results) -> Trials:
        """Return the finished trials of a run."""
        objective = search_objectives(results)[0]
        table = finished_trials(search_trials(results)).dropna(subset=objective)
        table = table.sort_values(objective, ascending=maximized(objective), kind="stable")
        return cls(table.reset_index(drop=True), objective, searched_space(results))

    def active(self, dimension: Dimension) -> pd.Series:
        """Return, for each trial, whether it has this dimension."""
        rows = self.table.to_dict("records")
        return pd.Series([dimension.is_active({str(k): v for k, v in row.items()}) for row in rows])

    @property
    def _ranks(self) -> list[int]:
        """The rank of each trial, 0 for the worst; equal values share one."""
        ranks = self.table[self.objective].rank(method="dense", ascending=maximized(self.objective))
        return [int(rank) - 1 for rank in ranks]

    def colors(self) -> list[Any]:
        """Return a color per trial, by its rank: by value, most would look like the best."""
        viridis = matplotlib.colormaps["viridis"]
        ranks = self._ranks
        return [viridis(0.92 * (1 - rank / max(1, *ranks))) for rank in ranks]

    @property
    def note(self) -> str:
        """The footer's explanation of points and colors."""
        return (
            f"Finished trials only. Colors show the rank by {label(self.objective)}; equal values "
            "share one."
        )

    def add_color_bar(self, figure: Figure, axes: Sequence[Axes]) -> None:
        """Add a bar of the colors, with the objective at evenly spaced ranks, the best on top.

        Of values that look alike as text, only the best has a label.
        """
        by_rank = dict(zip(self._ranks, self.colors(), strict=True))
        values = dict(zip(self._ranks, self.table[self.objective], strict=True))
        spaced = {round(x) for x in np.linspace(0, len(values) - 1, _BAR_LABELS)}
        names = {rank: format_measurement(self.objective, float(values[rank])) for rank in spaced}
        places = {names[rank]: rank for rank in sorted(spaced)}
        shown = ScalarMappable(
            Normalize(-0.5, len(values) - 0.5), ListedColormap(list(by_rank.values()))
        )
        ticks = list(places.values())
        bar = figure.colorbar(shown, ax=list(axes), ticks=ticks, aspect=30, pad=0.02)
        bar.ax.set_yticklabels(list(places))
        bar.set_label(f"{style.axis_label(self.objective)}, colored by rank")
        bar.ax.grid(visible=False)


def coordinates(dimension: Dimension, values: pd.Series) -> np.ndarray:
    """Return where values of a dimension lie along an axis: choices are at whole numbers."""
    if isinstance(dimension.domain, Choice):
        places = {value: place for place, value in enumerate(dimension.domain.values)}
        return np.array([places.get(value, np.nan) for value in values], dtype=float)
    return values.to_numpy(dtype=float)


def spread_coordinates(dimension: Dimension, values: pd.Series) -> np.ndarray:
    """Return `coordinates` with the points at each choice side by side, always the same way."""
    at = coordinates(dimension, values)
    if isinstance(dimension.domain, Choice):
        for place in range(len(dimension.domain.values)):
            here = np.flatnonzero(at == place)
            if len(here) > 1:
                at[here] += _SPREAD * np.array(style.spread(len(here)))
    return at


def set_axis(ax: Axes, which: Literal["x", "y"], dimension: Dimension) -> None:
    """Give one axis the label, the range, the scale and the ticks of a dimension."""
    domain = dimension.domain
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_label_text(label(dimension.setting))
    if isinstance(domain, Choice):
        names = [format_value(value) for value in domain.values]
        is_crowded = which == "x" and sum(map(len, names)) > 22
        slant: dict[str, Any] = {"rotation": 30, "ha": "right"} if is_crowded else {}
        axis.set_ticks(range(len(names)), names, **slant)
        ax.set(**{f"{which}lim": (-0.5, len(names) - 0.5)})
        return
    if domain.log:
        ax.set(**{f"{which}scale": "log"})
    ax.set(**{f"{which}lim": (domain.low, domain.high)})
