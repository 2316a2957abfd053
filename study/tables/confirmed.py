"""Confirmed: the best settings of a search with fresh seeds, and where the search had them."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.search import confirmed, objectives_of
from study.analysis.wording import amount, heading, label, value_text, with_interval


def make(results: Results) -> pd.DataFrame:
    """A row per confirmed point, best first: the mean of the objective over the fresh seeds with
    half of its 95% interval (accuracies in percent), the test accuracy, what the search saw with
    its own seed, and its rank there. No rows where nothing was confirmed."""
    objective = objectives_of(results)[0]
    found = confirmed(results)
    rows = []
    for rank, one in enumerate(found, 1):
        settings = {label(name): value_text(value) for name, value in one.settings.items()}
        test = one.test_accuracy
        mean = with_interval(objective, one.objective.mean, one.objective.half_width)
        rows.append(
            {
                "rank": rank,
                "trial": one.number,
                **settings,
                heading(objective): mean,
                "test %": with_interval("_accuracy", test.mean, test.half_width) if test else "-",
                "seeds": one.objective.n + one.diverged,
                "diverged": one.diverged,
                "in the search": amount(objective, one.search_value),
                "rank there": one.search_rank,
            }
        )
    # Settings that only some of them have come before the measurements, too.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    measured = list(rows[0])[-6:] if rows else []
    ordered = [name for name in columns if name not in measured] + measured
    table = pd.DataFrame(rows, columns=ordered).fillna("-")
    return table if not rows or table["diverged"].any() else table.drop(columns="diverged")
