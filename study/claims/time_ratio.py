"""Training on some workers takes so many times as long as on others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.analysis.results import select
from study.claims.evidence import END, Evidence, Point, Untestable, Verdict


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
    """
    trials = evidence.measured({"width": 1, "launcher": "ray"}, "train_seconds", END)
    sides = {
        place: select(trials, {"processor": place[0], "workers": place[1]}).set_index("seed")
        for place in (*of, to)
    }
    for (processor, workers), inside in sides.items():
        if not inside.empty:
            continue
        if processor == "gpu" and "gpu" not in set(trials["processor"]):
            raise Untestable("no GPU: this run was on CPU workers, which are no GPUs")
        raise Untestable(f"this run has nothing of {_called((processor, workers))}")
    points = []
    for place in of:
        ratio = (sides[place]["value"] / sides[to]["value"]).dropna()
        points.append(Point(f"{_called(place)} to {_called(to)}", ratio.tolist()))
    return evidence.judge(points, above, below, lambda value: f"{value:.2f} times the time")


def _called(place: tuple[str, int]) -> str:
    processor, workers = place
    return f"{workers} {processor.upper()}{'s' if workers > 1 else ''}"
