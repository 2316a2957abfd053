"""One series of a figure, and one axis, as the page's script reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from study.analysis import statistics
from study.analysis.quantity import support_of
from study.report.page.columns import numbers


def series(
    name: str,
    x: Iterable[float],
    y: Iterable[float],
    ends: tuple[Iterable[float], Iterable[float]] | None = None,
    *,
    mode: str = "line",
    plain: bool = False,
    texts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return a series of `mode` line, points or step.

    `ends`: the lower and upper end of an interval or band. A `plain` one is grey and has no
    marker. `texts` name each sample in place of its x.
    """
    described: dict[str, Any] = {
        "name": name,
        "mode": mode,
        "x": numbers(x),
        "y": numbers(y),
        "plain": plain,
    }
    if ends is not None:
        described["low"], described["high"] = (numbers(end) for end in ends)
    if texts is not None:
        described["texts"] = list(texts)
    return described


def over_repeats(
    name: str, groups: Iterable[tuple[float, pd.Series]], quantity: str, *, mode: str = "line"
) -> dict[str, Any]:
    """Return the means with 95% intervals of (x, values over repeats)."""
    found = [(x, statistics.mean(values, support_of(quantity))) for x, values in groups]
    ends = [mean.low for _, mean in found], [mean.high for _, mean in found]
    return series(name, [x for x, _ in found], [mean.mean for _, mean in found], ends, mode=mode)


def places(labels: Sequence[str], name: str) -> dict[str, Any]:
    """Return a horizontal axis of named places, at 0, 1, 2, ..."""
    ticks = [[i, text] for i, text in enumerate(labels)]
    return {"label": name, "ticks": ticks, "domain": [-0.4, len(labels) - 0.6]}
