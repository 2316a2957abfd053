"""Epochs saved: what a search trained, and what it would have without stopping any trial."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.search import trial_number


def make(results: Results) -> pd.DataFrame:
    """One row: trials of the search by how they ended, epochs trained in them, epochs that they
    would have taken had none been stopped, and the share saved; then the epochs of the
    confirmation. Trials that diverged or failed end early with or without a scheduler."""
    is_search = results.trials["trial"].map(trial_number).notna()
    trials, fresh = results.trials[is_search], results.trials[~is_search]
    if trials.empty:
        return pd.DataFrame()
    stopped = trials[trials["status"] == "stopped"]
    trained = float(trials["epoch"].sum())
    # Of a training counted in steps, as many epochs as these are.
    whole = stopped["epochs"].where(
        stopped["steps"].isna(), stopped["epoch"] * stopped["steps"] / stopped["step"]
    )
    spared = float((whole - stopped["epoch"]).sum())
    return pd.DataFrame(
        [
            {
                "trials": len(trials),
                **{
                    status: int((trials["status"] == status).sum())
                    for status in ("finished", "stopped", "diverged", "failed", "unfinished")
                },
                "epochs trained": f"{trained:g}",
                "without stopping": f"{trained + spared:g}",
                "saved %": f"{100 * spared / (trained + spared) if trained else 0:.0f}",
                "epochs to confirm": f"{float(fresh['epoch'].sum()):g}",
            }
        ]
    )
