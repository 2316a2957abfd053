"""Table: the share of trials that diverged, with its exact binomial interval."""

from __future__ import annotations

import pandas as pd

from study.analysis.proportion import proportion
from study.analysis.results import Results
from study.analysis.speedup import is_scaling
from study.analysis.wording import format_value, label
from study.analysis.workloads import grid_trials


def make(results: Results) -> pd.DataFrame:
    """Return a row per optimizer, then one per optimizer and learning rate of a grid.

    An empty frame if no trial diverged.
    """
    trials = grid_trials(results)
    if is_scaling(results) or not (trials["status"] == "diverged").any():
        return pd.DataFrame()
    rows = []
    for optimizer, group in trials.groupby("optimizer"):
        rows.append(_row(str(optimizer), "all", group))
        by_rate = [rows for _, rows in group.groupby("lr")]
        # In a search, every trial has another rate, and a single trial has no share.
        if 1 < len(by_rate) < len(group):
            rates = [format_value(part["lr"].iloc[0]) for part in by_rate]
            rows += [_row(str(optimizer), *pair) for pair in zip(rates, by_rate, strict=True)]
    return pd.DataFrame(rows)


def _row(optimizer: str, rate: str, trials: pd.DataFrame) -> dict[str, str]:
    share = proportion(int((trials["status"] == "diverged").sum()), len(trials))
    return {
        "optimizer": optimizer,
        label("lr"): rate,
        "diverged": f"{share.count} of {share.total}",
        "share %": f"{100 * share.share:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]",
    }
