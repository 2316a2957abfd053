"""The answer of a run in a few lines, printed before its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from search_spaces.study import Claim
from study.analysis.wording import format_mean, format_value, label, pluralize
from study.claims.verdict import Verdict

_MAX_OPTIMIZERS = 10


def best_lines(best: pd.DataFrame) -> list[str]:
    """Describe the best point, and the best of each other optimizer, on each data set.

    `best` holds the rows of `best_per_optimizer`, the best of a data set first.
    """
    lines = []
    for dataset, rows in best.groupby("dataset", sort=False):
        on_dataset = f" on {dataset}" if best["dataset"].nunique() > 1 else ""
        for i in range(min(len(rows), _MAX_OPTIMIZERS)):
            optimizer = rows["optimizer"].iloc[i]
            what = f"Best of {optimizer}" if i else "Best setting"
            without = ("dataset", "optimizer") if i else ("dataset",)
            lines.append(f"{what}{on_dataset}: {_settings(rows, i, without)}")
            lines.append(f"  {_measurements(rows, i)}")
    return lines


def verdict_line(judged: Sequence[tuple[Claim, Verdict]]) -> str:
    """Count the verdicts on the claims of a report."""
    counts = Counter(verdict.verdict for _, verdict in judged)
    each = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return f"{pluralize(len(judged), 'claim')} of the report: {each}"


def _measured(best: pd.DataFrame) -> list[str]:
    return [name for name in best.columns if f"{name}_ci95" in best]


def _settings(best: pd.DataFrame, row: int, without: Sequence[str]) -> str:
    first = list(best.columns).index(_measured(best)[0])
    values = best.iloc[row]
    return ", ".join(
        f"{label(name)} {format_value(values[name])}"
        for name in best.columns[1:first]
        if name not in without and not pd.isna(values[name])
    )


def _measurements(best: pd.DataFrame, row: int) -> str:
    values = best.iloc[row]
    texts = []
    for name in _measured(best):
        unit = " %" if name.endswith("_accuracy") else ""
        texts.append(
            f"{label(name)} {format_mean(name, values[name], values[f'{name}_ci95'])}{unit}"
        )
    if values["diverged"]:
        texts.append(f"{values['diverged']} of {pluralize(values['seeds'], 'seed')} diverged")
    return ", ".join(texts)
