"""Effort: the seconds of training per percentage point of accuracy. Source: Schätzle (2022)."""

from __future__ import annotations

import pandas as pd

from lenet.config import ConfigError
from study.analysis.points import point_curves
from study.analysis.results import Results


def ranking(results: Results, quantity: str, above: float) -> pd.DataFrame:
    """Return the points of a run, least effort first.

    The record with the highest mean accuracy (the earliest if several tie) represents a point.
    Points whose accuracy there does not exceed `above` (in [0, 1]) are left out. The effort is
    train_seconds / (100 * accuracy), both means over seeds, in seconds per percentage point.

    Returns: rows of `study.analysis.points.point_curves` with the column `effort` added.
    Raises: ConfigError if `quantity` is not an accuracy.
    """
    if not quantity.endswith("_accuracy"):
        raise ConfigError(
            f"effort is seconds per point of accuracy: name an accuracy, not {quantity}"
        )
    curves = point_curves(results, quantity)
    if curves.empty:
        return curves
    settings = results.varied_settings
    curves = curves[curves["mean"] > above]
    if settings:
        best = curves.loc[curves.groupby(settings, dropna=False)["mean"].idxmax()]
    else:
        best = curves.nlargest(1, "mean")
    best = best.assign(effort=best["train_seconds"] / (100 * best["mean"]))
    return best.sort_values("effort", kind="stable")
