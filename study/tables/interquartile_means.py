"""Table: the interquartile mean of each tuned optimizer over seeds and points."""

from __future__ import annotations

import pandas as pd

from search_spaces.objective import maximized
from study.analysis.resampling import iqm, stratified_bootstrap
from study.analysis.results import Results
from study.analysis.wording import column_heading, format_mean
from study.analysis.workloads import is_compared, reported_quantity, tuned_scores


def make(results: Results) -> pd.DataFrame:
    """Return a row per optimizer, best first, if there are two or more.

    The mean has the 95% stratified bootstrap interval (see `study.analysis.resampling`).
    """
    scores = tuned_scores(results) if is_compared(results) else {}
    if len(scores) < 2 or not all(frame.size for frame in scores.values()):
        return pd.DataFrame()
    quantity = reported_quantity(results)
    sign = 1 if maximized(quantity) else -1
    rows = []
    for name, frame in scores.items():
        found = stratified_bootstrap(iqm, frame.to_numpy())
        ends = sorted((sign * found.low, sign * found.high))
        mean = format_mean(quantity, sign * found.value, *ends)
        row = {
            "optimizer": name,
            f"interquartile mean of {column_heading(quantity)}": mean,
            "points": str(frame.shape[1]),
            "seeds": str(frame.shape[0]),
        }
        rows.append((found.value, row))
    rows.sort(key=lambda row: -row[0])
    return pd.DataFrame([row for _, row in rows])
