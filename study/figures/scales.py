"""Scales of axes: by the error for high accuracies, by orders of magnitude for losses.

Accuracies from 98 to 99.5% are a hair's breadth apart on an axis from 0 to 100%. Their errors,
2 and 0.5%, differ by a factor of four, which a logarithmic scale shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, LogNorm, Normalize
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from study.analysis.chance import chance_accuracy
from study.figures import style

_WIDE = 10
"""The factor between the largest and the smallest loss, or error, from which an axis is
logarithmic."""
_GOOD = 90.0
"""Accuracies (%) are drawn by their error only if the best is above this."""
_ACCURACIES: tuple[float, ...] = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99)
"""Ticks of an axis of errors, labeled as accuracies in percent."""
_CHANCE = (0, (1, 2))
"""Dashes of the line at chance level."""


def set_scale(
    axes: Axes,
    which: Literal["x", "y"],
    quantity: str,
    values: Sequence[float],
    log: bool | None = None,
) -> None:
    """Scale one axis for the `values` that it must show, all of one `quantity` and finite.

    Accuracies (in percent) have an `ErrorScale` if one fits. All else has a logarithmic scale if it
    spans a factor of ten. `log` overrides this rule.
    """
    low, high = min(values), max(values)
    is_accuracy = quantity.endswith("accuracy")
    errors = ErrorScale.fit(quantity, values) if log is None else None
    if errors:
        errors.apply(axes, which)
        return
    if log is None:
        log = not is_accuracy and low > 0 and high / low > _WIDE
    if log:
        if low <= 0:
            low = min((value for value in values if value > 0), default=1.0)
        margin = max(1.25, (high / low) ** 0.03)
        axes.set(**{f"{which}scale": "log", f"{which}lim": (low / margin, high * margin)})
        axis = axes.xaxis if which == "x" else axes.yaxis
        style.plain_log_ticks(axis, (1, 2, 5) if high / low < 1e3 else (1,))
        return
    margin = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    ceiling = 100 + margin / 2 if is_accuracy else np.inf
    floor = -margin / 2 if is_accuracy or quantity.endswith("loss") else -np.inf
    axes.set(**{f"{which}lim": (max(low - margin, floor), min(high + margin, ceiling))})


def note(axes: Axes, which: Literal["x", "y"]) -> str:
    """Return what the label of an axis says about its scale, beside the quantity."""
    scale = axes.get_xscale() if which == "x" else axes.get_yscale()
    if scale != "function":
        return ""
    # A low panel has no room for a long label beside it.
    return ("\n" if which == "y" else ", ") + "log scale of errors"


def add_chance(
    axes: Sequence[Axes], which: Literal["x", "y"], quantity: str, trials: pd.DataFrame
) -> list[Artist]:
    """Draw a line at the accuracy of guessing and return its legend entry.

    Call this once the axes have their range.

    Returns: one entry. No entry and no line if the accuracy of guessing is unknown or outside the
        axes, or if `quantity` is no accuracy.
    """
    chance = chance_accuracy(trials) if quantity.endswith("accuracy") else None
    low, high = axes[0].get_xlim() if which == "x" else axes[0].get_ylim()
    if chance is None or not low <= 100 * chance <= high:
        return []
    for ax in axes:
        draw = ax.axvline if which == "x" else ax.axhline
        draw(100 * chance, color=style.GREY, lw=0.9, ls=_CHANCE, zorder=1)
    return [style.entry(f"chance ({100 * chance:.3g}%)", line=_CHANCE, lw=0.9)]


@dataclass(frozen=True)
class ErrorScale:
    """A logarithmic scale of errors for accuracies in percent, from `low` to `high`."""

    low: float
    high: float
    ticks: Sequence[float]
    top: float
    """the smallest error that is told apart"""

    @classmethod
    def fit(cls, quantity: str, values: Sequence[float]) -> ErrorScale | None:
        """Return the scale for these values, or None if a linear one shows them well.

        Errors must span a factor of ten, and the best accuracy must be above 90%.
        """
        low, high = min(values), max(values)
        if not (quantity.endswith("accuracy") and high > _GOOD and low < 100):
            return None
        if 100 - low <= _WIDE * (100 - high):
            return None
        errors = 100 - np.asarray(values, dtype=float)
        positive = errors[errors > 1e-9]
        worst, smallest = float(errors.max()), float(positive.min())
        margin = (worst / smallest) ** 0.04
        # An error of 0 has no logarithm. It is drawn at the edge, as half the smallest other error.
        has_zero = len(positive) < len(errors)
        top = smallest / 2 if has_zero else smallest / margin
        low, high = max(0.0, 100 - worst * margin), 100 - top
        ticks = [tick for tick in _ACCURACIES if low <= tick <= high]
        if has_zero:  # labels need some distance from that of 100%
            ticks = [*(tick for tick in ticks if 100 - tick > 1.6 * top), 100]
        return cls(low, high, ticks, top)

    def forward(self, accuracy: Any) -> Any:
        """Return the place of an accuracy on the scale."""
        return -np.log10(np.maximum(100 - np.asarray(accuracy, dtype=float), self.top))

    def inverse(self, place: Any) -> Any:
        """Return the accuracy at a place."""
        return 100 - 10 ** -np.asarray(place, dtype=float)

    def apply(self, axes: Axes, which: Literal["x", "y"]) -> None:
        """Give this scale to an axis."""
        axis = axes.xaxis if which == "x" else axes.yaxis
        scale = axes.set_xscale if which == "x" else axes.set_yscale
        scale("function", functions=(self.forward, self.inverse))
        axes.set(**{f"{which}lim": (self.low, self.high)})
        axis.set_major_locator(FixedLocator(self.ticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def color_norm(quantity: str, values: Sequence[float]) -> tuple[Normalize, Sequence[float] | None]:
    """Return the scale of colors for these values, and its ticks if it needs its own."""
    if errors := ErrorScale.fit(quantity, values):
        norm = FuncNorm((errors.forward, errors.inverse), vmin=min(values), vmax=errors.high)
        return norm, [tick for tick in errors.ticks if tick >= min(values)]
    low, high = min(values), max(values)
    if not quantity.endswith("accuracy") and low > 0 and high / low > _WIDE:
        return LogNorm(low, high), None
    return Normalize(low, high), None
