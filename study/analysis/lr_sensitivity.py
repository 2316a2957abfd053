"""Learning-rate sensitivity: over how many decades of the rate a result stays close to its best.

The definition is this project's. Per seed, the result is a function of log10(rate), linear between
the rates that were trained. The width is the length, in decades, of the interval around the best
rate on which the result is within x % of the best one: at least (1 - x/100) times the best
accuracy, or at most (1 + x/100) times the lowest loss. If the interval reaches the lowest or the
highest rate of the grid, the true width may be larger.

Wortsman et al. (Small-scale Proxies for Large-scale Transformer Training Instabilities, 2023,
arXiv:2309.14322) measure sensitivity by the mean distance from the best result instead, which
depends on the range of rates that was tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from search_spaces.objective import maximized
from study.analysis import statistics
from study.analysis.quantity import support_of
from study.analysis.results import Results
from study.analysis.statistics import NON_NEGATIVE, Mean
from study.analysis.workloads import TUNING, Workload, values_by_seed, workloads

FEWEST_RATES = 3
"""The fewest learning rates that can show a best one with neighbors."""


@dataclass(frozen=True)
class Width:
    """A width in decades; `is_cut` if the interval reaches an end of the rates."""

    decades: float
    is_cut: bool


@dataclass(frozen=True)
class Sensitivity:
    """The widths of one optimizer at one workload, over seeds."""

    optimizer: str
    workload: Mapping[str, object]
    tuning: Mapping[str, object]
    """its other hyperparameters, where they vary"""
    rates: tuple[float, ...]
    width: Mean
    cut: int
    """seeds whose interval reaches an end of the rates: `width` is then a lower bound"""


def threshold(best: float, percent: float, *, is_maximized: bool) -> float:
    """Return the worst value that is within `percent` of the best one, which is not negative."""
    return best * (1 - percent / 100) if is_maximized else best * (1 + percent / 100)


def width(
    rates: Sequence[float], values: Sequence[float], percent: float, *, is_maximized: bool
) -> Width:
    """Return the width around the best of `values`, measured at the ascending `rates`.

    No rate between a finite and an infinite value counts. If no value is finite, the width is 0.
    """
    sign = 1 if is_maximized else -1
    position, signed = np.log10(np.asarray(rates, dtype=float)), sign * np.asarray(values, float)
    if not np.isfinite(signed).any():
        return Width(0.0, is_cut=False)
    best = int(np.argmax(signed))
    bound = sign * threshold(values[best], percent, is_maximized=is_maximized)

    def reach(indices: range) -> tuple[float, bool]:
        last = best
        for i in indices:
            if signed[i] < bound:
                step = abs(position[i] - position[last])
                share = (signed[last] - bound) / (signed[last] - signed[i])
                return abs(position[last] - position[best]) + step * float(share), False
            last = i
        return abs(position[last] - position[best]), True

    left, cut_left = reach(range(best - 1, -1, -1))
    right, cut_right = reach(range(best + 1, len(signed)))
    return Width(float(left + right), is_cut=cut_left or cut_right)


def sensitivities(results: Results, percent: float) -> list[Sensitivity]:
    """Return the widths by optimizer, workload and further hyperparameters.

    Optimizers with fewer than three rates are left out, and so are seeds that lack one of the
    rates. Empty if the objective can be negative: a percentage of it means nothing.
    """
    found: list[Sensitivity] = []
    if support_of(results.objective).low < 0:
        return found
    for workload in workloads(results):
        found += _of_workload(workload, results.objective, percent)
    return sorted(found, key=lambda one: one.optimizer)


def _of_workload(workload: Workload, objective: str, percent: float) -> list[Sensitivity]:
    trials = workload.trials
    names = ["optimizer", *(n for n in trials if n in TUNING and n != "lr")]
    varied = [n for n in names[1:] if (trials.groupby("optimizer")[n].nunique() > 1).any()]
    found = []
    for key, group in trials.groupby(names, dropna=False):
        by_rate = pd.DataFrame(
            {rate: values_by_seed(rows, objective) for rate, rows in group.groupby("lr")}
        ).dropna()
        # Grouping by the rate has put the columns in ascending order.
        rates = [float(str(rate)) for rate in by_rate.columns]
        if len(rates) < FEWEST_RATES or by_rate.empty:
            continue
        widths = [
            width(rates, row, percent, is_maximized=maximized(objective))
            for row in by_rate.to_numpy(dtype=float).tolist()
        ]
        tuning = dict(zip(names, key, strict=True))
        found.append(
            Sensitivity(
                optimizer=str(tuning["optimizer"]),
                workload=workload.settings,
                tuning={name: tuning[name] for name in varied},
                rates=tuple(rates),
                width=statistics.mean((one.decades for one in widths), NON_NEGATIVE),
                cut=sum(one.is_cut for one in widths),
            )
        )
    return found


def largest_width(rates: Sequence[float]) -> float:
    """Return the width of all rates, in decades."""
    return math.log10(max(rates) / min(rates))
