"""A learning-rate range test finds a given learning rate, or no minimum at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from study.claims.evidence import END, NOT_TESTED, Evidence, Point, Verdict, points_of


def verdict(
    evidence: Evidence,
    *,
    where: Mapping[str, Any],
    lr: float | None,
    factor: float = 2.0,
    quantity: str = "test_loss",
) -> Verdict:
    """One order below the learning rate at which the ramp's `quantity` is least lies within
    `factor` of `lr`, up or down.

    With `lr` None the claim is that there is no true minimum: the least is reached at the first
    record of the ramp, so that the whole range was too high.
    """
    trials = evidence.measured(where, quantity, END)
    records = evidence.results.records
    if trials.empty:
        return Verdict(NOT_TESTED, "this run has no such ramp")
    points_of(trials, ())  # a ramp for each seed
    decades, firsts = [], []
    for trial in trials.sort_values("seed")["trial"]:
        curve = records[(records["trial"] == trial) & records[quantity].notna()].sort_values("step")
        if curve.empty:
            return Verdict(NOT_TESTED, f"{trial} blew up before its first record")
        least = int(np.argmin(curve[quantity].to_numpy()))
        decades.append(math.log10(float(curve["lr"].iloc[least]) / 10))
        firsts.append(float(least == 0))
    if lr is None:
        return evidence.judge(
            [Point("minimum at the start of the ramp", firsts)], 0.5, math.inf, "{:.2g}".format
        )
    middle, margin = math.log10(lr), math.log10(factor)
    return evidence.judge(
        [Point("suggested learning rate", decades)],
        middle - margin,
        middle + margin,
        lambda decade: f"{10**decade:.3g}",
    )
