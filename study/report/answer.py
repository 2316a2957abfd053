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
    """Describe the best point of a run and of each optimizer.

    `best` holds the rows of `best_per_optimizer`, best first.
    """
    rows = best.to_dict("records")
    lines = [f"Best setting: {_settings(best, 0)}", f"  {_measurements(best, 0)}"]
    for i, row in enumerate(rows[1 : _MAX_OPTIMIZERS + 1], 1):
        lines.append(f"Best of {row['optimizer']}: {_settings(best, i, without='optimizer')}")
        lines.append(f"  {_measurements(best, i)}")
    return lines


def verdict_line(judged: Sequence[tuple[Claim, Verdict]]) -> str:
    """Count the verdicts on the claims of a report."""
    counts = Counter(verdict.verdict for _, verdict in judged)
    each = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return f"{pluralize(len(judged), 'claim')} of the report: {each}"


def _measured(best: pd.DataFrame) -> list[str]:
    return [name for name in best.columns if f"{name}_ci95" in best]


def _settings(best: pd.DataFrame, row: int, without: str = "") -> str:
    first = list(best.columns).index(_measured(best)[0])
    names = [name for name in best.columns[1:first] if name != without]
    if best["dataset"].nunique() == 1:
        names.remove("dataset")
    values = best.iloc[row]
    return ", ".join(
        f"{label(name)} {format_value(values[name])}" for name in names if values[name] is not None
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
