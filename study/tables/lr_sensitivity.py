"""Table: over how many decades of the learning rate each optimizer stays close to its best."""

from __future__ import annotations

import pandas as pd

from study.analysis.lr_sensitivity import Sensitivity, largest_width, sensitivities
from study.analysis.results import Results
from study.analysis.wording import column_heading, format_interval, format_value, label
from study.analysis.workloads import is_compared
from study.tables.cells import setting_cells

_PERCENT = (1.0, 5.0)
"""How close to the best counts as close."""


def make(results: Results) -> pd.DataFrame:
    """Return a row per optimizer and point: the widths, in decades, within 1 and 5 % of the best.

    `at least` marks a width that reached the lowest or the highest rate in some seed. A row needs
    at least three learning rates.
    """
    if not is_compared(results):
        return pd.DataFrame()
    rows = []
    by_percent = [sensitivities(results, percent) for percent in _PERCENT]
    for widths in zip(*by_percent, strict=True):
        first = widths[0]
        names = {**first.workload, **first.tuning}
        low, high = format_value(first.rates[0]), format_value(first.rates[-1])
        rows.append(
            {"optimizer": first.optimizer}
            | setting_cells(list(names), names.values())
            | {"quantity": column_heading(results.objective)}
            | {
                f"decades within {percent:g} %": _cell(found)
                for percent, found in zip(_PERCENT, widths, strict=True)
            }
            | {
                f"{label('lr')}s": f"{len(first.rates)} from {low} to {high}",
                "decades tried": f"{largest_width(first.rates):.2f}",
                "seeds": str(first.width.n),
            }
        )
    return pd.DataFrame(rows).fillna("-") if rows else pd.DataFrame()


def _cell(found: Sensitivity) -> str:
    width = found.width
    text = format_interval(width.mean, width.low, width.high, "{:.2f}".format)
    return f"at least {text}" if found.cut else text
