"""Table: the Pareto front of a search with two objectives."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.search import pareto_front, search_objectives, searched_space
from study.analysis.wording import column_heading, format_measurement, format_setting, label


def make(results: Results) -> pd.DataFrame:
    """Return a row per trial of the front, the best in the first objective first.

    Empty if the search has one objective.
    """
    objectives = search_objectives(results)
    if len(objectives) < 2:
        return pd.DataFrame()
    space = searched_space(results)
    rows = []
    for row in pareto_front(results).to_dict("records"):
        trial = {str(name): value for name, value in row.items()}
        rows.append(
            {
                "trial": trial["number"],
                **{column_heading(n): format_measurement(n, trial[n]) for n in objectives},
                **{
                    label(d.setting): (
                        format_setting(d.setting, trial[d.setting]) if d.is_active(trial) else "-"
                    )
                    for d in space
                },
            }
        )
    return pd.DataFrame(rows)
