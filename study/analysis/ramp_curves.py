"""The mean curve of a ramp: smoothed loss by learning rate, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis.range_test import smooth_losses, trial_curve
from study.analysis.results import Results

SMOOTHING = 0.95
"""Decay per step of the exponential moving average."""
_POINTS = 200


@dataclass(frozen=True)
class RampCurves:
    """Smoothed losses of the seeds of one ramp, at learning rates that all of them reached."""

    lrs: np.ndarray
    values: np.ndarray
    """losses of shape (seeds, learning rates)"""
    tails: Sequence[tuple[np.ndarray, np.ndarray]]
    """learning rates and losses beyond these, of the seeds that went further"""
    first_losses: Sequence[float]


def ramp_curves(results: Results, trials: pd.DataFrame, quantity: str) -> RampCurves | None:
    """Return the curves of `trials`, which differ only in the seed; None if all blow up at once."""
    curves, first_losses = [], []
    for trial in trials["trial"]:
        curve = trial_curve(results.records[results.records["trial"] == trial], quantity)
        curve = curve[np.isfinite(curve["loss"])]
        losses = smooth_losses(curve, SMOOTHING)
        # A ramp that rises in stairs has several losses at a learning rate: take their mean.
        levels = pd.Series(losses).groupby(curve["lr"].to_numpy()).mean()
        if len(levels) > 1:
            curves.append((levels.index.to_numpy(), levels.to_numpy()))
            first_losses.append(float(losses[0]))
    if not curves:
        return None
    # The seeds of a ramp share its learning rates, but not where they end.
    low = max(lrs[0] for lrs, _ in curves)
    high = min(lrs[-1] for lrs, _ in curves)
    at = np.geomspace(low, high, _POINTS)
    values = np.array([np.interp(at, lrs, losses) for lrs, losses in curves])
    beyond = [(lrs[lrs >= high], losses[lrs >= high]) for lrs, losses in curves]
    return RampCurves(at, values, [tail for tail in beyond if len(tail[0]) > 1], first_losses)
