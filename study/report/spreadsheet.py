"""The trials, verdicts and curves of a run as one spreadsheet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lenet.config import ConfigError
from study.analysis.results import Results

_QUANTITIES = (
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "lr",
    "train_seconds",
    "samples_per_second",
)
_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384  # the limits of Excel


def write_spreadsheet(
    results: Results, path: Path, claims: pd.DataFrame | None = None
) -> list[str]:
    """Write an .xlsx file and return the names of its sheets.

    The first sheet holds the trials, the second one the `claims` with their verdicts, if there are
    any. Each of the others holds one quantity, with a row per step and a column per trial, in the
    units of the records. Quantities without values have no sheet.

    Raises: ConfigError if a sheet would exceed Excel's limits.
    """
    records = results.records
    observed = [name for name in records.columns if name.startswith("observed_")]
    sheets = {"trials": results.trials} | ({} if claims is None else {"claims": claims})
    for quantity in (*_QUANTITIES, *observed):
        if quantity in records and records[quantity].notna().any():
            curves = records.pivot(index="step", columns="trial", values=quantity)
            in_order = [trial for trial in results.trials["trial"] if trial in curves]
            # Excel allows sheet names of at most 31 characters.
            sheets[quantity[:31]] = curves[in_order].dropna(how="all").reset_index()
    for name, sheet in sheets.items():
        if len(sheet) >= _MAX_ROWS or len(sheet.columns) > _MAX_COLUMNS:
            raise ConfigError(
                f"{name} has {len(sheet):,} rows and {len(sheet.columns):,} columns, more than a "
                "spreadsheet holds: use records.parquet"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with pd.ExcelWriter(path, engine="openpyxl") as workbook:
        for name, sheet in sheets.items():
            sheet.to_excel(workbook, sheet_name=name, index=False, freeze_panes=(1, 1))
    return list(sheets)
