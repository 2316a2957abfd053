"""Quantities: one number measured on the curve of a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from search_spaces.study import maximized

Moment = Mapping[str, float]
"""Selects a record of a trial: `{"epoch": 2}` or `{"step": 500}`; empty for the last record."""

END: Moment = {}


@dataclass(frozen=True)
class Quantity:
    """One number measured on the curve of a trial, as claims and tables name it.

    - `test_loss`: the value of this column at a given moment, such as the last record
    - `test_loss_at_best`: the column at the record with the best validation accuracy
    - `best_test_loss`: its best value over all records
    - `rises_test_loss`: the sum of its increases from record to record
    - `lost_test_loss`: how much worse it is at that moment than at its best
    """

    column: str
    reduction: str = ""
    """`at_best`, `best`, `rises` or `lost`; empty for the value itself"""

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """Read a quantity as claims and tables name it. Every text is one; its column may not
        exist."""
        for reduction in ("best", "rises", "lost"):
            if text.startswith(f"{reduction}_"):
                return cls(text.removeprefix(f"{reduction}_"), reduction)
        if text.endswith("_at_best"):
            return cls(text.removesuffix("_at_best"), "at_best")
        return cls(text)

    @property
    def worst(self) -> float:
        """The value of a trial that diverged: an accuracy of 0, an infinite loss or fall."""
        return 0.0 if maximized(self.column) and self.reduction != "lost" else math.inf

    def measure(self, curve: pd.DataFrame, moment: Moment = END) -> float:
        """Return the value on `curve`, the records of one trial in the order of their steps.

        NaN if there is no record of `moment`, or nothing was measured.
        """
        at_moment = curve
        for name, value in moment.items():
            # Steps are exact, but an epoch is a quotient.
            at_moment = at_moment[np.isclose(at_moment[name], value, rtol=0, atol=1e-9)]
        if at_moment.empty:
            return math.nan
        values = curve[self.column].dropna()
        best = float(values.max() if maximized(self.column) else values.min())
        last = float(at_moment[self.column].iloc[-1])
        match self.reduction:
            case "best":
                return best
            case "rises":
                return float(values.diff().clip(lower=0).sum()) if len(values) > 1 else math.nan
            case "lost":
                return abs(best - last)
            case "at_best":
                accuracies = curve["validation_accuracy"].to_numpy(dtype=float)
                if np.isnan(accuracies).all():
                    return math.nan
                return float(curve[self.column].iloc[int(np.nanargmax(accuracies))])
            case _:
                return last
