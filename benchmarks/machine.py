"""The header and the intervals that all benchmarks print."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata

import numpy as np
import torch

from lenet.devices import describe_device

_RESAMPLES = 2_000


def header(title: str, command: str) -> str:
    """Return the lines above a table: title, command, date, machine, versions."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "ray"))
    cores = len(os.sched_getaffinity(0))
    # Other work slows all contenders alike, but the reader should know about it.
    load = os.getloadavg()[0]
    return "\n".join(
        (
            title,
            "",
            f"command   {command}",
            f"date      {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
            f"machine   {describe_device(torch.device('cpu'))}, {cores} cores, "
            f"{platform.system()} {platform.machine()}, load average {load:.1f} at the start",
            f"versions  python {platform.python_version()}, {versions}",
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
