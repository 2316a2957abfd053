"""The answer of a run in a few lines, printed before its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from search_spaces.study import Claim
from study.analysis.leader import Lead
from study.analysis.recommendation import recommend
from study.analysis.verification import RangeTestCase
from study.analysis.wording import (
    describe_settings,
    format_mean,
    format_measurement,
    format_value,
    label,
    pluralize,
)
from study.claims.verdict import (
    EQUIVALENT,
    LEAST_SEEDS,
    NOT_REPRODUCED,
    NOT_TESTED,
    REPRODUCED,
    UNDECIDED,
    Verdict,
)
from study.report.comparisons import lead_line
from study.runs import layout

ONE_SEED = f"one seed has no interval; it takes {LEAST_SEEDS} to decide"

_MAX_OTHERS = 3
"""The most optimizers, besides the best one, whose settings the answer names."""
_MAX_SETTINGS = 50
"""The most characters for the settings of an optimizer that is not the best."""
_MAX_CLAIMS = 20
"""The most claims with which the answer names some of each verdict."""
_LINE = 76
"""The most characters in a line of claims."""


def best_lines(
    best: pd.DataFrame,
    leads: Mapping[str, Lead],
    *,
    confirmed: Sequence[str] = (),
    has_tables: bool = True,
) -> list[str]:
    """Describe the best point, and the best of each other optimizer, on each data set.

    `best`: the rows of `best_per_optimizer`, the best of a data set first. `leads`: by data set,
    whether the best point is a winner. `confirmed`: for a search that has trained its best point
    again, the lines that describe this point instead. `has_tables`: whether files of tables
    accompany the lines.
    """
    lines = list(confirmed)
    for dataset, rows in best.groupby("dataset", sort=False):
        on_dataset = f" on {dataset}" if best["dataset"].nunique() > 1 else ""
        if not confirmed:
            lines.append(f"Best setting{on_dataset}: {_settings(rows, 0, ('dataset',))}")
            lines.append(f"  {', '.join(_measurements(rows, 0))}")
        if lead := leads.get(str(dataset)):
            lines.append(f"  {lead_line(lead)}")
        others = range(0 if confirmed else 1, len(rows))
        settings = {row: _settings(rows, row, ("dataset", "optimizer")) for row in others}
        short = all(len(text) <= _MAX_SETTINGS for text in settings.values())
        if len(others) <= _MAX_OTHERS and short and not confirmed:
            for row in others:
                optimizer = rows["optimizer"].iloc[row]
                found = f"{settings[row]}: {_measurements(rows, row)[0]}"
                lines.append(f"Best of {optimizer}{on_dataset}: {found}")
        elif others:
            name = _measured(rows)[0]
            found = ", ".join(
                f"{rows['optimizer'].iloc[row]} {format_measurement(name, rows[name].iloc[row])}"
                for row in others
            )
            which = "in the search" if confirmed else f"of the others{on_dataset}"
            where = f" (settings in {layout.BEST_PER_OPTIMIZER})" if has_tables else ""
            lines.append(f"Best {label(name)} {which}: {found}{where}")
    return lines


def range_test_lines(cases: Sequence[RangeTestCase]) -> list[str]:
    """Name the learning rate that a range test recommends in each case, or why there is none."""
    lines = []
    for case in cases:
        found = recommend(case)
        where = describe_settings(case.settings)
        where = f" for {where}" if where else ""
        if found.lr is None:
            lines.append(f"No learning rate{where}: {found.advice}")
        else:
            lines.append(f"Learning rate{where}: {found.lr:g}")
    return lines


def verdict_lines(judged: Sequence[tuple[Claim, Verdict]], *, has_tables: bool = True) -> list[str]:
    """Name the claims by verdict, and how many more seeds would decide the undecided ones.

    `has_tables`: whether files of tables accompany the lines.
    """
    names: dict[str, list[str]] = {}
    for claim, verdict in judged:
        names.setdefault(verdict.verdict, []).append(claim.name)
    outcomes = [o for o in (REPRODUCED, NOT_REPRODUCED, EQUIVALENT, NOT_TESTED) if o in names]
    if len(judged) > _MAX_CLAIMS:
        counts = ", ".join(f"{len(names[outcome])} {outcome}" for outcome in outcomes)
        where = f", each in {layout.CLAIMS}" if has_tables else ""
        lines = [f"Claims{where}: {counts}"] if counts else []
    else:
        lines = [
            _listed(f"{pluralize(len(names[outcome]), 'claim')} {outcome}: ", names[outcome])
            for outcome in outcomes
        ]
    undecided = [verdict for _, verdict in judged if verdict.verdict == UNDECIDED]
    if undecided:
        known = [verdict.more_seeds for verdict in undecided if verdict.more_seeds is not None]
        if known:
            decided = "all" if len(known) == len(undecided) else f"{len(known)} of them"
            why = f"{pluralize(max(known), 'more seed')} would decide {decided} at this spread"
        elif all(
            verdict.seeds is not None and verdict.seeds < LEAST_SEEDS for verdict in undecided
        ):
            why = ONE_SEED
        else:
            why = "no number of seeds is known to decide"
        lines.append(f"{pluralize(len(undecided), 'claim')} undecided: {why}")
    return lines


def _listed(beginning: str, names: Sequence[str]) -> str:
    """Return a line with as many of `names` as fit, the first one in any case."""
    for shown in range(len(names), 1, -1):
        more = f" and {len(names) - shown} more" if shown < len(names) else ""
        line = f"{beginning}{', '.join(names[:shown])}{more}"
        if len(line) <= _LINE:
            return line
    return f"{beginning}{names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")


def _measured(best: pd.DataFrame) -> list[str]:
    return [name for name in best.columns if f"{name}_low" in best]


def _settings(best: pd.DataFrame, row: int, without: Sequence[str]) -> str:
    first = list(best.columns).index(_measured(best)[0])
    values = best.iloc[row]
    return ", ".join(
        f"{label(name)} {format_value(values[name])}"
        for name in best.columns[1:first]
        if name not in without and not pd.isna(values[name])
    )


def _measurements(best: pd.DataFrame, row: int) -> list[str]:
    values = best.iloc[row]
    texts = []
    first, *_ = _measured(best)
    metric = f" {label(first).rpartition(' ')[2]}"  # of `validation accuracy`, named once
    if not all(label(name).endswith(metric) for name in _measured(best)):
        metric = ""
    for name in _measured(best):
        unit = " %" if name.endswith("_accuracy") else ""
        mean = format_mean(name, values[name], values[f"{name}_low"], values[f"{name}_high"])
        what = label(name) if name == first else label(name).removesuffix(metric)
        texts.append(f"{what} {mean}{unit}")
    if values["diverged"]:
        texts.append(f"{values['diverged']} of {pluralize(values['seeds'], 'seed')} diverged")
    return texts
