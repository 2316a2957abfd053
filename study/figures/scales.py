"""Scales of axes: by the error for high accuracies, by orders of magnitude for losses.

Accuracies from 98 to 99.5% are a hair's breadth apart on an axis from 0 to 100%. Their errors,
2 and 0.5%, differ by a factor of four, which a logarithmic scale shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, LogNorm, Normalize
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from study.analysis.chance import chance_accuracy
from study.analysis.quantity import support_of
from study.figures import style

_WIDE = 10
"""The factor between the largest and the smallest loss, or error, from which an axis is
logarithmic."""
_GOOD = 90.0
"""Accuracies (%) are drawn by their error only if the best is above this."""
_ACCURACIES: tuple[float, ...] = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99)
"""Ticks of an axis of errors, labeled as accuracies in percent."""
_PERFECT = 1e-9
"""Errors (%) up to this are rounding: the accuracy is 100%."""
_LABEL_GAP = 0.2
"""The least distance between the tick at 100% and the next, in powers of ten of the error."""
_REACH = 0.5
"""An axis grows at either end by at most this share of the range of its values to show optional
ones."""
_CHANCE = (0, (7, 2, 1, 2))
"""Dashes and dots of the line at chance level; other lines and outlined bands have only either."""


def set_scale(
    axes: Axes,
    which: Literal["x", "y"],
    quantity: str,
    values: Sequence[float],
    log: bool | None = None,
    *,
    optional: Sequence[float] = (),
) -> None:
    """Scale one axis for the `values` that it must show, all of one `quantity` and finite.

    Accuracies (in percent) have an `ErrorScale` if one fits. Other quantities that are bounded at
    both ends have a linear scale. All else has a logarithmic scale if it is positive and spans a
    factor of ten. `log` overrides this rule.

    `optional`: values such as the ends of intervals or bands. The axis shows those that lie within
    half the range of `values` from them; an interval of two seeds can be a hundred times as wide.
    """
    low, high = min(values), max(values)
    is_accuracy = quantity.endswith("accuracy")
    errors = ErrorScale.fit(quantity, values, optional) if log is None else None
    if errors:
        errors.apply(axes, which)
        return
    if log is None:
        log = not is_bounded(quantity) and low > 0 and high / low > _WIDE
    if log:
        if low <= 0:
            low = min((value for value in values if value > 0), default=1.0)
        positive = [end for end in optional if end > 0]
        low, high = 10 ** _widened(np.log10([low, high]), np.log10(positive))
        margin = max(1.25, (high / low) ** 0.03)
        axes.set(**{f"{which}scale": "log", f"{which}lim": (low / margin, high * margin)})
        axis = axes.xaxis if which == "x" else axes.yaxis
        style.plain_log_ticks(axis, (1, 2, 5) if high / low < 1e3 else (1,))
        return
    low, high = _widened(np.array([low, high]), np.array(optional, dtype=float))
    margin = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    ceiling = 100 + margin / 2 if is_accuracy else np.inf
    floor = -margin / 2 if is_accuracy or quantity.endswith("loss") else -np.inf
    axes.set(**{f"{which}lim": (max(low - margin, floor), min(high + margin, ceiling))})


def is_bounded(quantity: str) -> bool:
    """Return True if a quantity has a lowest and a highest value: accuracies, and the user's own
    metrics for which the study declares both."""
    support = support_of(quantity)
    return quantity.endswith("accuracy") or (isfinite(support.low) and isfinite(support.high))


def _widened(ends: np.ndarray, optional: np.ndarray) -> np.ndarray:
    """Return the ends of an axis that shows those `optional` values that lie within its reach.

    All are places on the axis, such as logarithms if it is logarithmic.
    """
    low, high = ends.min(), ends.max()
    reach = _REACH * (high - low)
    close = optional[(optional >= low - reach) & (optional <= high + reach)]
    return np.array([min([low, *close]), max([high, *close])])


def are_cut(axes: Axes, which: Literal["x", "y"], values: Sequence[float]) -> bool:
    """Return True if any of the `values` is outside the axis."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    return any(not low <= value <= high for value in values)


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
    """A logarithmic scale of errors for accuracies in percent, from `low` to `high`.

    An error of 0 has no logarithm. From the error `smallest` down to 0, the scale is linear, with
    the slope that it has there, so each accuracy has a place of its own.
    """

    low: float
    high: float
    ticks: Sequence[float]
    smallest: float

    @classmethod
    def fit(
        cls, quantity: str, values: Sequence[float], optional: Sequence[float] = ()
    ) -> ErrorScale | None:
        """Return the scale for these values, or None if a linear one shows them well.

        Errors must span a factor of ten, and the best accuracy must be above 90%. `optional` values
        are those of `set_scale`.
        """
        low, high = min(values), max(values)
        if not (quantity.endswith("accuracy") and high > _GOOD and 100 - low > _PERFECT):
            return None
        if 100 - low <= _WIDE * (100 - high):
            return None
        errors, reached = (100 - np.asarray(each, dtype=float) for each in (values, optional))
        positive = errors[errors > _PERFECT]
        beyond = reached[reached > _PERFECT]
        smallest, worst = (10.0 ** _widened(np.log10(positive), np.log10(beyond))).tolist()
        has_zero = bool((np.concatenate([errors, reached]) <= _PERFECT).any())
        margin = (worst / smallest) ** 0.04
        if not has_zero:
            smallest /= margin
        low, high = max(0.0, 100 - worst * margin), 100 if has_zero else 100 - smallest
        scale = cls(low, high, [tick for tick in _ACCURACIES if low <= tick <= high], smallest)
        if not has_zero:
            return scale
        distances = scale.forward(100) - scale.forward(scale.ticks)
        apart = [t for t, far in zip(scale.ticks, distances, strict=True) if far > _LABEL_GAP]
        return replace(scale, ticks=[*apart, 100])

    def forward(self, accuracy: Any) -> Any:
        """Return the place of an accuracy on the scale."""
        errors = 100 - np.asarray(accuracy, dtype=float)
        linear = (1 - errors / self.smallest) / np.log(10)
        return np.where(
            errors < self.smallest,
            linear - np.log10(self.smallest),
            -np.log10(np.maximum(errors, self.smallest)),
        )

    def inverse(self, place: Any) -> Any:
        """Return the accuracy at a place."""
        places = np.asarray(place, dtype=float)
        beyond = places + np.log10(self.smallest)
        linear = self.smallest * (1 - beyond * np.log(10))
        return 100 - np.where(beyond > 0, linear, 10**-places)

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
    if not is_bounded(quantity) and low > 0 and high / low > _WIDE:
        return LogNorm(low, high), None
    return Normalize(low, high), None
