"""Quantities: one number measured on the curve of a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from search_spaces.objective import maximized, range_of, worst_value
from study.analysis.statistics import NON_NEGATIVE, SHARE, UNBOUNDED, Support
from study.runs.trial_folder import UNTHINNED

Moment = Mapping[str, float]
"""Selects a record of a trial. `{"epoch": 2}` and `{"step": 500}` select the record of exactly this
epoch or step, `{"train_seconds": 60}` the last record within this time, `{}` the last record.

No run has a record at an exact time, so a time selects the last record up to it. For a
trial that ended before that time, the last record is used.
"""

END: Moment = {}

WHOLE_CURVE = ("best", "mean", "rises")
"""The reductions over all records of a trial."""

OSCILLATION = "oscillation"
"""The reduction over all records of a trial that needs the extremes within each of them."""


def support_of(column: str) -> Support:
    """Return the values that a column of the records can take.

    Accuracies lie in [0, 1]. Losses, times and rates are not negative. Weights may be anything. A
    user's own metric lies in the range that its study declares.
    """
    low, high = range_of(column)
    if (low, high) != (None, None):
        return Support(-math.inf if low is None else low, math.inf if high is None else high)
    if column.endswith("_accuracy"):
        return SHARE
    return NON_NEGATIVE if column.endswith(("_loss", "seconds", "per_second")) else UNBOUNDED


@dataclass(frozen=True)
class Quantity:
    """One number measured on the curve of a trial, as claims and tables name it.

    - `test_loss`: the value of this column at a given moment, such as the last record
    - `test_loss_at_best`: the column at the record with the best validation accuracy
    - `best_test_loss`: its best value over all records
    - `mean_test_loss`: its mean over all records
    - `rises_test_loss`: the sum of its increases from record to record
    - `oscillation_train_loss`: the highest minus the lowest loss of a step within a record, mean
      over all records
    """

    column: str
    reduction: str = ""
    """`at_best`, `best`, `mean`, `rises` or `oscillation`; empty for the value itself"""

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """Read a quantity as claims and tables name it. Every text is one; its column may not
        exist."""
        for reduction in (*WHOLE_CURVE, OSCILLATION):
            if text.startswith(f"{reduction}_"):
                return cls(text.removeprefix(f"{reduction}_"), reduction)
        if text.endswith("_at_best"):
            return cls(text.removesuffix("_at_best"), "at_best")
        return cls(text)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the records that it needs."""
        extremes = (f"highest_{self.column}", f"lowest_{self.column}")
        return (self.column, *extremes) if self.reduction == OSCILLATION else (self.column,)

    @property
    def worst(self) -> float:
        """The value of a trial that diverged: an accuracy of 0, an infinite loss.

        The user's own metric has the worst end of its declared range; without one, an infinity.
        """
        return worst_value(self.column, is_maximized=maximized(self.column))

    @property
    def support(self) -> Support:
        """The values that the quantity of a trial can take."""
        is_amount = self.reduction in {"rises", OSCILLATION}
        return NON_NEGATIVE if is_amount else support_of(self.column)

    @property
    def name(self) -> str:
        """The quantity as `parse` reads it."""
        if self.reduction == "at_best":
            return f"{self.column}_at_best"
        return f"{self.reduction}_{self.column}" if self.reduction else self.column

    def of_trials(
        self, trials: pd.DataFrame, records: pd.DataFrame, moment: Moment = END
    ) -> pd.Series[float]:
        """Return the value of each trial, measured on its own `records`, sorted by step."""
        curves = dict(tuple(records.groupby("trial")))
        values = [
            self.measure(curves.get(trial, records.iloc[:0]), moment, kept)
            for trial, kept in zip(trials["trial"], self.unthinned(trials), strict=True)
        ]
        return pd.Series(values, index=trials.index, dtype=float)

    def unthinned(self, trials: pd.DataFrame) -> pd.Series[float]:
        """Return the value of each trial from before its records were thinned.

        NaN where records were not thinned, or thinning does not change the value.
        """
        nothing = pd.Series(math.nan, index=trials.index)
        return trials.get(f"{UNTHINNED}{self.name}", nothing).astype(float)

    def measure(
        self, curve: pd.DataFrame, moment: Moment = END, unthinned: float = math.nan
    ) -> float:
        """Return the value on `curve`, the records of one trial in the order of their steps.

        NaN if there is no record of `moment`, or nothing was measured. `unthinned` is the value of
        this trial from `self.unthinned`, which replaces that of thinned records.
        """
        at_moment = curve
        for name, value in moment.items():
            times = at_moment[name]
            if name.endswith("_seconds"):
                at_moment = at_moment[(times <= value) & at_moment[self.column].notna()]
            else:
                # Steps are exact, but an epoch is a quotient.
                at_moment = at_moment[np.isclose(times, value, rtol=0, atol=1e-9)]
        if at_moment.empty:
            return math.nan
        if not math.isnan(unthinned):
            return unthinned
        values = curve[self.column].dropna()
        match self.reduction:
            case "best":
                return float(values.max() if maximized(self.column) else values.min())
            case "mean":
                return float(values.mean())
            case "rises":
                return float(values.diff().clip(lower=0).sum()) if len(values) > 1 else math.nan
            case "oscillation":
                return float(
                    (curve[f"highest_{self.column}"] - curve[f"lowest_{self.column}"]).mean()
                )
            case "at_best":
                accuracies = curve["validation_accuracy"].to_numpy(dtype=float)
                if np.isnan(accuracies).all():
                    return math.nan
                return float(curve[self.column].iloc[int(np.nanargmax(accuracies))])
            case _:
                return float(at_moment[self.column].iloc[-1])
