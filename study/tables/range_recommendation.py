"""Table: one recommended learning rate per optimizer, with its reason."""

from __future__ import annotations

import pandas as pd

from study.analysis.recommendation import recommend
from study.analysis.results import Results
from study.analysis.verification import range_test_cases
from study.tables.cells import check_names, setting_cells


def make(results: Results, *, quantity: str) -> pd.DataFrame:
    """Return a row per optimizer; see `study.analysis.recommendation.recommend`.

    `quantity`: the loss that the rules read.
    """
    check_names(results, columns=[quantity])
    rows = []
    for case in range_test_cases(results, quantity):
        found = recommend(case)
        rows.append(
            {
                **setting_cells(list(case.settings), case.settings.values()),
                "use": "none" if found.lr is None else f"{found.lr:g}",
                "reason": found.reason,
            }
        )
    return pd.DataFrame(rows)
