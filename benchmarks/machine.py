"""The header and the intervals that all benchmarks print."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.table import Place

_RESAMPLES = 2_000


def header(title: str, command: str) -> str:
    """Return the lines above a table: title, command, date, machine, versions."""
    place = Place.here()
    return "\n".join(
        (
            title,
            "",
            f"command   {command}",
            f"date      {place.date}, commit {place.commit or 'unknown'}",
            # Other work slows all contenders alike, but the reader should know about it.
            f"machine   {place.machine}, {place.cores} cores, "
            f"load average {place.load} at the start",
            f"versions  {place.versions}",
            "",
        )
    )


def typed_command(module: str) -> str:
    """Return the command line that started this process."""
    return " ".join(["python", "-m", f"benchmarks.{module}", *sys.argv[1:]])


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return (median, low, high): the median of `values` with its 95% bootstrap interval.

    Percentile method with a fixed seed: equal values give equal intervals.
    """
    samples = np.random.default_rng(0).choice(values, size=(_RESAMPLES, len(values)))
    low, high = np.quantile(np.median(samples, axis=1), (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)
