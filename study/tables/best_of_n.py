"""Table: the expected best result after n random trials."""

from __future__ import annotations

import pandas as pd

from study.analysis import statistics
from study.analysis.best_of_n import BestOfN, best_of_n
from study.analysis.quantity import support_of
from study.analysis.results import Results
from study.analysis.wording import column_heading, format_mean, label


def make(results: Results) -> pd.DataFrame:
    """Return a row per data set and n = 1, 2, 4, ... N, with a column for all trials together and
    one per optimizer.

    Cells are means over seeds with 95% intervals. See `study.analysis.best_of_n` for the runs that
    have this table.
    """
    curves = best_of_n(results)
    rows = []
    for dataset in dict.fromkeys(curve.dataset for curve in curves):
        of_dataset = [curve for curve in curves if curve.dataset == dataset]
        largest = max(curve.curves.shape[1] for curve in of_dataset)
        lengths = {curve.curves.shape[1] for curve in of_dataset}
        powers = {2**k for k in range(largest.bit_length())}
        rows += [
            {
                label("dataset"): dataset,
                "random trials": str(n),
                "best": column_heading(results.objective),
            }
            | {curve.optimizer or "all": _cell(curve, n, results.objective) for curve in of_dataset}
            | {"seeds": str(of_dataset[0].curves.shape[0])}
            for n in sorted(powers | lengths)
        ]
    return pd.DataFrame(rows).fillna("-") if rows else pd.DataFrame()


def _cell(curve: BestOfN, n: int, objective: str) -> str:
    if n > curve.curves.shape[1]:
        return "-"
    mean = statistics.mean(curve.curves[:, n - 1], support_of(objective))
    return format_mean(objective, mean.mean, mean.low, mean.high)
