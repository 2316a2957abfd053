"""Table: importance of each setting of a search for its first objective."""

from __future__ import annotations

import pandas as pd

from study.analysis.importances import importances
from study.analysis.results import Results
from study.analysis.wording import label


def make(results: Results) -> pd.DataFrame:
    """Return a row per setting, as `study.analysis.importances` has them; empty if too few trials.

    The importance is the mean over the seeds of fANOVA's forest; the range is over the same seeds.
    `trials` counts the finished trials that have the setting; the share is one of their variance.
    """
    return pd.DataFrame(
        [
            {
                "setting": label(one.setting),
                "importance": f"{one.mean:.2f}",
                "over fANOVA seeds": f"{one.low:.2f} to {one.high:.2f}",
                "trials": one.trials,
            }
            for one in importances(results)
        ]
    )
