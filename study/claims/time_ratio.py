"""Training on some workers takes so many times as long as on others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from study.analysis.results import select
from study.analysis.speedup import training_seconds
from study.claims.evidence import END, Evidence, Point, Untestable, Verdict, one_each


def verdict(
    evidence: Evidence,
    *,
    of: Sequence[tuple[str, int]],
    to: tuple[str, int],
    above: float = -math.inf,
    below: float = math.inf,
) -> Verdict:
    """The training time of each of `of`, a processor and a number of workers, is more than `above`
    and less than `below` times that of `to`, paired by repeat: of Ray's workers with the net as
    wide as published. Workers on the CPU never stand for GPUs.

    The time is that of all training steps; start-up and evaluation are not in it, nor what the
    first steps take longer than others: in a short run, that would make all numbers of workers
    alike. Raises `Untestable` if the run lacks a side, if trials of one side and repeat differ in
    some setting, or if no repeat has both sides.
    """
    trials = evidence.measured({"width": 1, "launcher": "ray"}, "train_seconds", END)
    warm = training_seconds(evidence.results, trials)
    trials["value"] = trials["value"].where(~np.isfinite(trials["value"]), warm)
    sides = {
        place: select(trials, {"processor": place[0], "workers": place[1]}) for place in (*of, to)
    }
    for (processor, workers), inside in sides.items():
        if not inside.empty:
            one_each(inside, ())
            continue
        if processor == "gpu" and "gpu" not in set(trials["processor"]):
            raise Untestable("no GPU: this run was on CPU workers, which are no GPUs")
        raise Untestable(f"this run has nothing of {_called((processor, workers))}")
    points = []
    for place in of:
        pair = f"{_called(place)} to {_called(to)}"
        one, other = (sides[side].set_index("seed")["value"] for side in (place, to))
        ratio = (one / other).dropna()
        if ratio.empty:
            raise Untestable(f"no repeat of this run has both sides of {pair}")
        points.append(Point(pair, ratio.tolist()))
    return evidence.judge(points, above, below, lambda value: f"{value:.2f} times the time")


def _called(place: tuple[str, int]) -> str:
    processor, workers = place
    return f"{workers} {processor.upper()}{'s' if workers > 1 else ''}"
