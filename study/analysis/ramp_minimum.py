"""Where the loss of a ramp is lowest, and how wide its valley is.

A report that evaluates once an epoch reads its ramps at few points. The learning rate of the lowest
loss is then known only up to the spacing of the points: with ten points from 1e-6 to 1, that is a
factor of four. Few points do not show the noise either, so a minimum counts as true if it is
neither the first point nor the last.

TensorBoard smooths its curves by a moving average with a bias correction (0.6 by default). This
delays a minimum, so a report may print a minimum that its points do not have.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from study.analysis.ramp_shape import BEGINS_TOO_HIGH, ENDS_TOO_LOW
from study.analysis.range_rules import ONE_ORDER_BELOW
from study.analysis.range_test import Reading, Suggestion
from study.analysis.results import Results


@dataclass(frozen=True)
class Minimum:
    """The record of a ramp with the lowest loss."""

    step: int
    lr: float
    loss: float


def at_points(
    results: Results, trials: pd.DataFrame, quantity: str, points: int, smoothing: float = 0.0
) -> Results:
    """Return `results` with at most `points` records of each ramp in `trials`, and no others.

    They are the records nearest to the ends of `points` equal parts of the ramp's planned length. A
    ramp that diverged lacks the points after its end. `smoothing`: decay per point of the moving
    average of `quantity`, in [0, 1).
    """
    kept = []
    for trial in trials.to_dict("records"):
        records = _records(results, trial)
        progress = records["step"].to_numpy() / _planned_steps(trial)
        ends = np.arange(1, points + 1) / points
        reached = ends[ends <= progress.max(initial=0.0) + 0.5 / points]
        nearest = {int(np.abs(progress - end).argmin()) for end in reached}
        few = records.iloc[sorted(nearest)]
        means = few[quantity].astype(float).ewm(alpha=1 - smoothing).mean()
        kept.append(few.assign(**{quantity: means.where(few[quantity].notna())}))
    chosen = pd.concat(kept) if kept else results.records.iloc[:0]
    return replace(results, records=chosen)


def suggest_at_points(
    results: Results, trials: pd.DataFrame, quantity: str, points: int, smoothing: float = 0.0
) -> Suggestion:
    """Apply the rule "one order below" to `points` records of each ramp in `trials`.

    The ramps differ only in the seed. See `at_points` for `smoothing`.
    """
    few = at_points(results, trials, quantity, points, smoothing)
    readings = []
    for trial in trials.to_dict("records"):
        losses = _finite_curve(few, trial, quantity)[quantity].tolist()
        minimum = lowest(few, trial, quantity)
        if minimum is None or minimum.loss == losses[0]:
            readings.append(Reading(None, BEGINS_TOO_HIGH))
        elif minimum.loss == losses[-1] and trial["status"] != "diverged":
            readings.append(Reading(None, ENDS_TOO_LOW))
        else:
            readings.append(Reading(minimum.lr / 10))
    return Suggestion(ONE_ORDER_BELOW, readings)


def lowest(results: Results, trial: Mapping[Hashable, Any], quantity: str) -> Minimum | None:
    """Return the minimum of `quantity` on the ramp `trial`, None if it has no finite value."""
    curve = _finite_curve(results, trial, quantity)
    if curve.empty:
        return None
    row = curve.iloc[int(curve[quantity].argmin())]
    return Minimum(int(row["step"]), float(row["lr"]), float(row[quantity]))


def valley_decades(
    results: Results, trial: Mapping[Hashable, Any], quantity: str, share: float
) -> float:
    """Return the width of the valley around the minimum of a ramp, in powers of ten of the rate.

    The valley consists of the neighboring records whose `quantity` exceeds the minimum by at most
    `share` of the fall from the first record to the minimum. NaN if the loss does not fall.
    """
    curve = _finite_curve(results, trial, quantity)
    losses, lrs = curve[quantity].to_numpy(dtype=float), curve["lr"].to_numpy(dtype=float)
    bottom = int(np.argmin(losses)) if len(losses) else 0
    if bottom == 0:
        return math.nan
    outside = np.flatnonzero(losses > losses[bottom] + share * (losses[0] - losses[bottom]))
    first = int(outside[outside < bottom].max(initial=-1)) + 1
    last = int(outside[outside > bottom].min(initial=len(losses))) - 1
    return math.log10(lrs[last] / lrs[first])


def _records(results: Results, trial: Mapping[Hashable, Any]) -> pd.DataFrame:
    records = results.records
    return records[records["trial"] == trial["trial"]].sort_values("step")


def _finite_curve(results: Results, trial: Mapping[Hashable, Any], quantity: str) -> pd.DataFrame:
    records = _records(results, trial)
    return records[np.isfinite(records[quantity].astype(float))].reset_index(drop=True)


def _planned_steps(trial: Mapping[Hashable, Any]) -> float:
    """Return the steps of a ramp that reaches its end, whether or not this one did."""
    by_epochs = trial["step"] * trial["epochs"] / trial["epoch"]
    return float(by_epochs if pd.isna(trial["steps"]) else trial["steps"])
