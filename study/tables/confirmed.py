"""Table: the best settings of a search, retrained with fresh seeds."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.search import confirmed_points, search_objectives
from study.analysis.wording import (
    column_heading,
    format_mean,
    format_setting,
    label,
)


def make(results: Results) -> pd.DataFrame:
    """Return a row per confirmed point, best first; empty if there is none.

    A row has the mean of the objective over the fresh seeds with its 95% interval, and the test
    accuracy. It also has the point's rank and value in the search (with its interval, if a mean).
    """
    objective = search_objectives(results)[0]
    rows = []
    settings: dict[str, None] = {}
    for rank, point in enumerate(confirmed_points(results), 1):
        point_settings = {
            label(name): format_setting(name, value) for name, value in point.settings.items()
        }
        settings |= dict.fromkeys(point_settings)
        test = point.test_accuracy
        mean = point.objective
        rows.append(
            {
                "rank": rank,
                "trial": point.number,
                **point_settings,
                column_heading(objective): format_mean(objective, mean.mean, mean.low, mean.high),
                "test %": format_mean("_accuracy", test.mean, test.low, test.high) if test else "-",
                "seeds": mean.n + point.diverged,
                "diverged": point.diverged,
                "in the search": format_mean(objective, point.search_value, *point.search_interval),
                "rank there": point.search_rank,
            }
        )
    # Settings come before measurements, even those that only some points have.
    measurements = list(rows[0])[-6:] if rows else []
    columns = ["rank", "trial", *settings, *measurements] if rows else []
    table = pd.DataFrame(rows, columns=columns).fillna("-")
    return table if not rows or table["diverged"].any() else table.drop(columns="diverged")
