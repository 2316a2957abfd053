"""Confirmed: the best settings of a search with fresh seeds, and where the search had them."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.search import confirmed_points, search_objectives
from study.analysis.wording import format_measurement, column_heading, label, format_value, format_mean


def make(results: Results) -> pd.DataFrame:
    """A row per confirmed point, best first: the mean of the objective over the fresh seeds with
    half of its 95% interval (accuracies in percent), the test accuracy, what the search saw with
    its own seed, and its rank there. No rows where nothing was confirmed."""
    objective = search_objectives(results)[0]
    found = confirmed_points(results)
    rows = []
    for rank, one in enumerate(found, 1):
        settings = {label(name): format_value(value) for name, value in one.settings.items()}
        test = one.test_accuracy
        mean = format_mean(objective, one.objective.mean, one.objective.half_width)
        rows.append(
            {
                "rank": rank,
                "trial": one.number,
                **settings,
                column_heading(objective): mean,
                "test %": format_mean("_accuracy", test.mean, test.half_width) if test else "-",
                "seeds": one.objective.n + one.diverged,
                "diverged": one.diverged,
                "in the search": format_measurement(objective, one.search_value),
                "rank there": one.search_rank,
            }
        )
    # Settings that only some of them have come before the measurements, too.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    measured = list(rows[0])[-6:] if rows else []
    ordered = [name for name in columns if name not in measured] + measured
    table = pd.DataFrame(rows, columns=ordered).fillna("-")
    return table if not rows or table["diverged"].any() else table.drop(columns="diverged")
