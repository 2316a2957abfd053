"""Claim: training on some workers takes a multiple of the time on others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from study.analysis.quantity import END
from study.analysis.results import select
from study.analysis.speedup import warm_training_seconds
from study.claims.evidence import Evidence, Untestable, require_one_trial_per_seed
from study.claims.verdict import Bounds, SeedValues, Verdict

Workers = tuple[str, int]
"""(processor, number of workers)"""


def verdict(
    evidence: Evidence,
    *,
    of: Sequence[Workers],
    to: Workers,
    above: float = -math.inf,
    below: float = math.inf,
) -> Verdict:
    """Judge whether each of `of` takes `above` to `below` times as long as `to`.

    Ratios of training times are paired by repeat, for Ray's workers and the published width of the
    net. CPU workers never stand for GPUs. The times exclude start-up, evaluation and the warm-up,
    which would make all numbers of workers alike in a short run.

    Raises: Untestable if the run lacks a side, trials of one side and repeat differ in a setting,
    or no repeat has both sides.
    """
    trials = evidence.measure({"width": 1, "launcher": "ray"}, "train_seconds", END)
    warm = warm_training_seconds(evidence.results, trials)
    trials["value"] = trials["value"].where(~np.isfinite(trials["value"]), warm)
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
    points = []
    base = sides[to].set_index("seed")["value"]
    for workers in of:
        pair = f"{_describe(workers)} to {_describe(to)}"
        ratio = (sides[workers].set_index("seed")["value"] / base).dropna()
        if ratio.empty:
            raise Untestable(f"no repeat of this run has both sides of {pair}")
        points.append(SeedValues(pair, ratio.tolist()))
    return evidence.judge(points, Bounds(above, below), lambda value: f"{value:.2f} times the time")


def _describe(workers: Workers) -> str:
    processor, count = workers
    return f"{count} {processor.upper()}{'s' if count > 1 else ''}"
