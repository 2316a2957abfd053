"""The comparison of runs on the terminal and in files."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from study.analysis.compare_runs import RunComparison, Side
from study.analysis.quantity import OSCILLATION, Quantity
from study.analysis.statistics import CONFIDENCE
from study.analysis.wording import (
    describe_settings,
    format_interval,
    format_measurement,
    format_setting,
    label,
    pluralize,
)
from study.report.console_table import print_table
from study.report.text_tables import write_text_tables

POINTS, DIFFERING, ONLY = "points.csv", "differing.csv", "only-in-one.csv"
"""The files of a comparison; each is also written as .md and .tex."""

_MAX_ROWS = 30
"""The most points in a printed table; the file has all of them."""
_MAX_LISTED = 3
"""The most points that only one run has, in print."""


def letters(count: int) -> list[str]:
    """Return the names of `count` runs in tables: A, B, ... Z, then AA, AB, ..."""
    alphabet = string.ascii_uppercase
    return [(alphabet[i // 26 - 1] if i >= 26 else "") + alphabet[i % 26] for i in range(count)]


def sentence(comparison: RunComparison, first: str = "", second: str = "") -> str:
    """Say whether two runs differ beyond their seeds.

    `first` and `second` name the runs (default: their own names).
    """
    overall, count = comparison.overall, len(comparison.points)
    one, other = first or comparison.first.name, second or comparison.second.name
    what, points = _label(comparison), pluralize(count, "point")
    if overall.is_equal and comparison.points["difference"].eq(0).all():
        return f"{other} and {one} have the same {what} at {points}, digit for digit."
    quantity = _column(comparison)
    size = format_interval(
        overall.mean, overall.low, overall.high, lambda value: format_measurement(quantity, value)
    )
    sign = "+" if overall.mean > 0 else ""
    unit = " percentage points" if quantity.endswith("_accuracy") else ""
    found = f"{what.capitalize()} of {other} less {one}, mean of {points}: {sign}{size}{unit}"
    if overall.p != overall.p:
        one_seed = comparison.points[["first_seeds", "second_seeds"]].max().min() == 1
        seeds = "One seed cannot" if one_seed else "Too few seeds that all points share to"
        return f"{found}. {seeds} tell a difference from chance."
    seeds = f"{overall.seeds} paired seeds" if overall.seeds else "seeds not paired"
    ending = "No difference beyond the seeds is shown"
    if overall.p < 1 - CONFIDENCE:
        ending = "The runs differ beyond the seeds"
    alone = f"; taken alone, {comparison.differing_points} of {points} differ" if count > 1 else ""
    return f"{found} ({seeds}, p = {overall.p:.2g}). {ending}{alone}."


def print_comparisons(comparisons: Sequence[RunComparison], console: Console) -> None:
    """Print the runs, and for each comparison its points, its other differences and a sentence."""
    names = letters(len(comparisons) + 1)
    for letter, side in zip(names, _sides(comparisons), strict=True):
        run, trials = side.results.run, side.results.trials
        unfinished = int((trials["status"] == "unfinished").sum())
        what = f"{run.dataset.name}, budget {run.budget}"
        if unfinished:
            what += f"; {unfinished:,} of {pluralize(len(trials), 'trial')} unfinished"
        console.print(f"  {letter:12} {side.name} ({what})")
    for letter, comparison in zip(names[1:], comparisons, strict=True):
        _print_comparison(comparison, names[0], letter, console)


def _column(comparison: RunComparison) -> str:
    """Return the column of the records that has the unit of what is compared."""
    return Quantity.parse(comparison.quantity).column


def _label(comparison: RunComparison) -> str:
    """Return what is compared, in words."""
    quantity = Quantity.parse(comparison.quantity)
    if comparison.quantity == quantity.column or quantity.reduction in ("best", "mean"):
        return label(comparison.quantity)
    if quantity.reduction == "rises":
        return f"sum of the rises of the {label(quantity.column)}"
    if quantity.reduction == OSCILLATION:
        return f"oscillation of the {label(quantity.column)} within a record"
    return f"{label(quantity.column)} at the best validation accuracy"


def _sides(comparisons: Sequence[RunComparison]) -> list[Side]:
    return [comparisons[0].first, *(comparison.second for comparison in comparisons)]


def _print_comparison(comparison: RunComparison, first: str, second: str, console: Console) -> None:
    headers, rows = _point_table(comparison, first, second)
    unit = " in %" if _column(comparison).endswith("_accuracy") else ""
    print_table(
        console,
        f"{first} and {second}: {_label(comparison)}{unit}",
        headers,
        rows[:_MAX_ROWS],
    )
    if len(rows) > _MAX_ROWS:
        console.print(f"... and {len(rows) - _MAX_ROWS} more; --out writes all.")
    for letter, missing in ((first, comparison.only_first), (second, comparison.only_second)):
        if len(missing):
            console.print(f"Only in {letter}: {_listed(missing)}.")
    if len(comparison.differing):
        print_table(
            console,
            "What differs between the runs",
            ["", first, second],
            [[label(row[0]), *row[1:]] for row in comparison.differing.to_numpy().tolist()],
        )
    else:
        console.print("Nothing else differs between the runs.")
    console.print()
    console.print(Text(sentence(comparison, first, second), style="bold"))


def _point_table(
    comparison: RunComparison, first: str, second: str
) -> tuple[list[str], list[list[str]]]:
    """Return the headers and the cells of the table of points, as text."""
    settings, quantity = comparison.settings, _column(comparison)
    headers = [*map(label, settings), first, second, f"{second} - {first}", "p", "seeds"]
    rows = []
    for row in comparison.points.to_dict("records"):
        difference = format_interval(
            row["difference"],
            row["low"],
            row["high"],
            lambda value: format_measurement(quantity, float(value)),
        )
        rows.append(
            [
                *(format_setting(name, row[name]) for name in settings),
                format_measurement(quantity, row["first"]),
                format_measurement(quantity, row["second"]),
                difference,
                "-" if row["p"] != row["p"] else f"{row['p']:.2g}",
                _seeds(row["paired"], row["first_seeds"], row["second_seeds"]),
            ]
        )
    if not settings:  # a single point, which no setting needs to name
        headers, rows = ["point", *headers], [["all trials", *row] for row in rows]
    return headers, rows


def _seeds(paired: int, first: int, second: int) -> str:
    """Return the number of paired seeds, or the seeds of both sides."""
    return f"{paired} paired" if paired else f"{first} and {second}"


def _listed(missing: pd.DataFrame) -> str:
    shown = [
        describe_settings({str(name): row[name] for name in row})
        for row in missing.head(_MAX_LISTED).to_dict("records")
    ]
    more = len(missing) - len(shown)
    listed = "; ".join(shown) + (f"; and {more} more" if more else "")
    return f"{pluralize(len(missing), 'point')} ({listed})"


def write_comparisons(comparisons: Sequence[RunComparison], out: Path) -> list[Path]:
    """Write the points, what differs, and the points of one run alone into `out`, as CSV and text.

    Returns: the CSV files. Raises: OSError if a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    tables = {
        POINTS: pd.concat([_with_names(c, c.points) for c in comparisons]),
        DIFFERING: pd.concat([_with_names(c, c.differing) for c in comparisons]),
        ONLY: pd.concat([_only_in_one(comparison) for comparison in comparisons]),
    }
    title = " ".join(map(sentence, comparisons))
    written = []
    for name, table in tables.items():
        path = out / name
        table.to_csv(path, index=False)
        cells = [[format_setting("", cell) for cell in row] for row in table.to_numpy().tolist()]
        write_text_tables(path, title, list(map(str, table.columns)), cells)
        written.append(path)
    return written


def _with_names(comparison: RunComparison, table: pd.DataFrame) -> pd.DataFrame:
    named = table.copy()
    named.insert(0, "first_run", comparison.first.name)
    named.insert(1, "second_run", comparison.second.name)
    if table is comparison.points:
        named.insert(2, "quantity", comparison.quantity)
    return named


def _only_in_one(comparison: RunComparison) -> pd.DataFrame:
    sides = ((comparison.first, comparison.only_first), (comparison.second, comparison.only_second))
    return pd.concat([missing.assign(run=side.name) for side, missing in sides])
