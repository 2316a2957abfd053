"""Claim: the time or the speed on some workers is a multiple of the value on others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenet.config import ConfigError, unknown_name
from study.analysis.quantity import END
from study.analysis.results import select
from study.analysis.speedup import ray_trials, scaling_trials, warm_training_seconds
from study.analysis.statistics import NON_NEGATIVE
from study.claims.evidence import Evidence, Untestable, require_one_trial_per_seed
from study.claims.verdict import Bounds, SeedValues, Verdict

Workers = tuple[str, int]
"""(processor, number of workers)"""

_TIMES = "times the time"
_WORDS = {
    "train_seconds": _TIMES,
    "total_seconds": _TIMES,
    "steps_per_second": "times the speed",
}


def verdict(
    evidence: Evidence,
    *,
    of: Sequence[Workers],
    to: Workers,
    quantity: str = "train_seconds",
    above: float = -math.inf,
    below: float = math.inf,
) -> Verdict:
    """Judge whether each of `of` has `above` to `below` times the `quantity` of `to`.

    `time_ratios` computes the ratios, for the published width of the net.
    """
    ratios = time_ratios(evidence, of=of, to=to, width=1, quantity=quantity)
    points = [SeedValues(pair, ratio.tolist()) for pair, ratio in ratios.items()]
    words = _WORDS[quantity]
    return evidence.judge(
        points, Bounds(above, below), lambda value: f"{value:.2f} {words}", NON_NEGATIVE
    )


def time_ratios(
    evidence: Evidence,
    *,
    of: Sequence[Workers],
    to: Workers,
    width: int,
    quantity: str = "train_seconds",
) -> dict[str, pd.Series]:
    """Return the `quantity` of each of `of` divided by the `quantity` of `to`, by name and by seed.

    Ratios are paired by repeat, for Ray's workers and nets of this `width`. CPU workers never stand
    in for GPUs. The quantities are

    - `train_seconds`: the training steps, without start-up and evaluation. The warm-up is excluded,
      too: in a short run, it would make all numbers of workers look alike
    - `total_seconds`: the whole time of the program, all of these included
    - `steps_per_second`: from the mean step after the warm-up

    Raises: Untestable if the run lacks a side or the quantity, trials of one side and repeat differ
    in a setting, or no repeat has both sides; ConfigError if the quantity is unknown.
    """
    if quantity not in _WORDS:
        raise ConfigError(unknown_name(quantity, _WORDS, "quantity of a ratio"))
    trials = ray_trials(evidence.measure({"width": width}, "train_seconds", END)).copy()
    diverged = ~np.isfinite(trials["value"])
    # A diverged trial counts as the slowest.
    slowest = 0.0 if quantity == "steps_per_second" else math.inf
    trials["value"] = _measure(evidence, trials, quantity).mask(diverged, slowest)
    sides = {
        workers: select(trials, {"processor": workers[0], "workers": workers[1]})
        for workers in (*of, to)
    }
    for workers, side in sides.items():
        if not side.empty:
            require_one_trial_per_seed(side, ())
            continue
        if workers[0] == "gpu" and "gpu" not in set(trials["processor"]):
            raise Untestable("no GPU: this run was on CPU workers, which are no GPUs")
        raise Untestable(f"this run has nothing of {_describe(workers)}")
    ratios = {}
    base = sides[to].set_index("seed")["value"]
    for workers in of:
        pair = f"{_describe(workers)} to {_describe(to)}"
        ratio = (sides[workers].set_index("seed")["value"] / base).dropna()
        if ratio.empty:
            raise Untestable(f"no repeat of this run has both sides of {pair}")
        ratios[pair] = ratio
    return ratios


def _measure(evidence: Evidence, trials: pd.DataFrame, quantity: str) -> pd.Series:
    """Return the quantity of each trial; NaN where it was not measured."""
    if quantity == "train_seconds":
        return warm_training_seconds(evidence.results, trials)
    measured = scaling_trials(evidence.results)
    if quantity not in measured:
        raise Untestable(f"this run did not measure {quantity}")
    return trials["trial"].map(measured.set_index("trial")[quantity])


def _describe(workers: Workers) -> str:
    processor, count = workers
    return f"{count} {processor.upper()}{'s' if count > 1 else ''}"
