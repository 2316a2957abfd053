"""Table: epochs that a search trained, and epochs that stopping trials early saved."""

from __future__ import annotations

import math

import pandas as pd

from search_spaces.search_names import trial_number
from study.analysis.results import Results


def make(results: Results) -> pd.DataFrame:
    """Return one row: trials by status, and the epochs trained, without stopping, and to confirm.

    Trials that diverged or failed end early with or without a scheduler, so they save nothing.
    """
    is_search = results.trials["trial"].map(trial_number).notna()
    trials, confirmations = results.trials[is_search], results.trials[~is_search]
    if trials.empty:
        return pd.DataFrame()
    stopped = trials[trials["status"] == "stopped"]
    trained = float(trials["epoch"].sum())
    # A trial that ends by its number of steps may end within an epoch.
    limits = stopped[["epochs", "steps"]].astype(float).fillna(math.inf)
    full_epochs = limits["epochs"].clip(upper=limits["steps"] * stopped["epoch"] / stopped["step"])
    saved = float((full_epochs - stopped["epoch"]).sum())
    return pd.DataFrame(
        [
            {
                "trials": len(trials),
                **{
                    status: int((trials["status"] == status).sum())
                    for status in ("finished", "stopped", "diverged", "failed", "unfinished")
                },
                "epochs trained": f"{trained:g}",
                "without stopping": f"{trained + saved:g}",
                "saved %": f"{100 * saved / (trained + saved) if trained else 0:.0f}",
                "epochs to confirm": f"{float(confirmations['epoch'].sum()):g}",
            }
        ]
    )
