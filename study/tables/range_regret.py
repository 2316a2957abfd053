"""Range regret: how far each rule's learning rate is from the best one found."""

from __future__ import annotations

import pandas as pd

from study.analysis.range_test import Suggestion, verification_lr
from study.analysis.results import Results
from study.analysis.verification import RangeTestCase, range_test_cases
from study.analysis.wording import label, format_value, format_mean
from study.tables.cells import check_names


def make(results: Results, *, quantity: str) -> pd.DataFrame:
    """A row per ramp and rule, a column per optimizer: points of validation accuracy lost, after
    training at the rule's learning rate, to the best of all that were trained; means over seeds,
    paired, with half of their 95% interval. The last row names the best.

    The best is the highest of several means, so that its own is a little too high by chance, and
    each regret with it. No rows without trainings at a constant learning rate.
    """
    check_names(results, (), [quantity])
    found = [case for case in range_test_cases(results, quantity) if not case.accuracies.empty]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    best = {"ramp": "-", "rule": "best learning rate found"}
    for case in found:
        column = _named(case)
        for ramp in case.ramps:
            for suggestion in ramp.suggestions:
                key = (ramp.name, suggestion.rule.name)
                row = rows.setdefault(key, {"ramp": key[0], "rule": key[1]})
                row[column] = _cell(case, suggestion)
        accuracy = case.accuracies.loc[case.best_lr].mean()
        best[column] = f"{format_value(case.best_lr)}, {100 * accuracy:.2f} %"
    return pd.DataFrame([*rows.values(), best] if rows else []).fillna("-")


def _named(case: RangeTestCase) -> str:
    varied = [
        f"{label(name)} {format_value(value)}"
        for name, value in case.settings.items()
        if name != "optimizer"
    ]
    return ", ".join([str(case.settings["optimizer"]), *varied])


def _cell(case: RangeTestCase, suggestion: Suggestion) -> str:
    if suggestion.lr is None:
        return "no true minimum"
    at = verification_lr(suggestion.lr)
    lost = case.regret(at)
    if lost is None:
        return f"not trained (at {at:g})"
    return f"{format_mean('_accuracy', lost.mean, lost.half_width)} (at {at:g})"
