"""The curves of a run as one spreadsheet, for people who go on from there by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from study.analysis.results import Results
from study.report import SpreadsheetError

_FAMILIES = (
    *("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    *("test_loss", "test_accuracy", "lr", "train_seconds", "samples_per_second"),
)
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384


def write_spreadsheet(results: Results, path: Path) -> list[str]:
    """Write `path`, an .xlsx: a sheet of the trials, then one per family of curves, with a row
    per step and a column per trial; the names of the sheets.

    Losses and accuracies are as in the records (accuracies in [0, 1]). Families that nothing
    was measured of are left out. Raises `SpreadsheetError` if a sheet would be larger than a
    spreadsheet can be.
    """
    records = results.records
    observed = [name for name in records.columns if name.startswith("observed_")]
    sheets = {"trials": results.trials}
    for family in (*_FAMILIES, *observed):
        if family in records and records[family].notna().any():
            curves = records.pivot(index="step", columns="trial", values=family)
            in_order = [trial for trial in results.trials["trial"] if trial in curves]
            # Excel's sheets have names of at most 31 characters.
            sheets[family[:31]] = curves[in_order].dropna(how="all").reset_index()
    for name, sheet in sheets.items():
        if len(sheet) >= _MOST_ROWS or len(sheet.columns) > _MOST_COLUMNS:
            raise SpreadsheetError(
                f"{name} has {len(sheet):,} rows and {len(sheet.columns):,} columns, more than a "
                "spreadsheet holds: use records.parquet"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with pd.ExcelWriter(path, engine="openpyxl") as workbook:
        for name, sheet in sheets.items():
            sheet.to_excel(workbook, sheet_name=name, index=False, freeze_panes=(1, 1))
    return list(sheets)
