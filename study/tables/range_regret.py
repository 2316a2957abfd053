"""Table: regret, how far the learning rate of each rule is from the best one found."""

from __future__ import annotations

import pandas as pd

from study.analysis.range_test import Suggestion, verification_lr
from study.analysis.results import Results
from study.analysis.verification import RangeTestCase, range_test_cases
from study.analysis.wording import describe_settings, format_mean, format_value
from study.tables.cells import check_names


def make(results: Results, *, quantity: str) -> pd.DataFrame:
    """Return a row per ramp and rule, a column per optimizer; empty without verification.

    Cells are points of validation accuracy lost at the rule's learning rate, compared with the best
    of all trained learning rates: means over seeds, paired, with 95% intervals. The last row names
    the best learning rate. Its accuracy, as the highest of several means, is slightly too high by
    chance, and so is each regret.
    """
    check_names(results, columns=[quantity])
    rows: dict[tuple[str, str], dict[str, str]] = {}
    best = {"ramp": "-", "rule": "best learning rate found"}
    for case in range_test_cases(results, quantity):
        if case.accuracies.empty:
            continue
        column = _column(case)
        for ramp in case.ramps:
            for suggestion in ramp.suggestions:
                key = (ramp.name, suggestion.rule.name)
                row = rows.setdefault(key, {"ramp": ramp.name, "rule": suggestion.rule.name})
                row[column] = _cell(case, suggestion)
        accuracy = case.accuracies.loc[case.best_lr].mean()
        best[column] = f"{format_value(case.best_lr)}, {100 * accuracy:.2f} %"
    return pd.DataFrame([*rows.values(), best] if rows else []).fillna("-")


def _column(case: RangeTestCase) -> str:
    others = {name: value for name, value in case.settings.items() if name != "optimizer"}
    return ", ".join(filter(None, [str(case.settings["optimizer"]), describe_settings(others)]))


def _cell(case: RangeTestCase, suggestion: Suggestion) -> str:
    if suggestion.lr is None:
        return suggestion.refusal
    lr = verification_lr(suggestion.lr)
    regret = case.regret(lr)
    if regret is None:
        return f"not trained (at {lr:g})"
    return f"{format_mean('_accuracy', regret.mean, regret.low, regret.high)} (at {lr:g})"
