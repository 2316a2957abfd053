"""Table: AlgoPerf's performance profile and score of each optimizer."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.time_to_target import ratios, rho, score, times_to_target
from study.analysis.wording import label
from study.analysis.workloads import is_compared
from study.tables.time_to_target import TIMES

_TAUS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)


def make(results: Results) -> pd.DataFrame:
    """Return a row per kind of time and optimizer: the share of points within tau times the
    fastest, and the mean share over tau from 1 to 4.

    An empty frame if fewer than two optimizers share a point.
    """
    rows = []
    for time in TIMES if is_compared(results) else ():
        times = pd.DataFrame([workload.times for workload in times_to_target(results, time)])
        if times.shape[1] < 2:
            continue
        ratio = ratios(times)
        scores = score(ratio).sort_values(ascending=False, kind="stable")
        rows += [
            {"time in": label(time), "optimizer": str(name)}
            | {f"share within {tau:g} x": f"{rho(ratio, tau)[name]:.2f}" for tau in _TAUS}
            | {
                "score": f"{scores[name]:.3f}",
                "points": str(len(times)),
                "compared with": ", ".join(sorted(map(str, set(times) - {name}))),
            }
            for name in scores.index
        ]
    return pd.DataFrame(rows)
