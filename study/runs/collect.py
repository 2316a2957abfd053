"""The tables of a run, collected from its trials' folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenet.records import Record
from search_spaces.study import PlannedTrial
from study.runs import layout
from study.runs.plain_settings import with_plain_settings
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE, STEP_TIMING, UNTHINNED

_MEASURED = [name for name in Record.__dataclass_fields__ if name not in ("observed", "metrics")]
_STATE_COLUMNS = (
    *("error", "attempts", "started", "ended", "device", "threads", "host"),
    "reused",
)


def collect(folder: RunFolder, out: Path | None = None) -> None:
    """Write the tables of a run into `out` (default: its own folder), replacing older ones.

    `records` has a row per record: `trial` and the fields of `Record`. It also has a column for
    each of the user's own metrics, such as `validation_r2`, and for each observed number, such as
    `observed_W`.

    `timings` exists for data-parallel runs only. It has a row per trial, worker and step: `trial`
    and the fields of `STEP_TIMING`.

    `trials` has a row per planned trial: `trial`, `config_id`, `status`, `error`, `attempts`,
    `started` and `ended` (UTC) of the last attempt, `device`, `threads`, `host`, `reused`, `fleet`,
    `fleet_size`, every setting, the fields of the last record, and `best_validation_accuracy` with
    its `best_validation_epoch`. `status` is `finished`, `diverged`, `stopped` (by a scheduler),
    `failed`, or `unfinished`, also if the trial's records are damaged. `reused` is the run that
    trained the trial, if another one did. `fleet` is the fleet that trained it, and `fleet_size`
    its number of members at the start; they are empty and 1 for a trial that was trained alone.
    A reused trial whose records had been thinned has `unthinned_*` (see `study.analysis.thinning`).
    For a data-parallel run, it also has the columns of the launch (see `study.analysis.speedup`).

    Raises: ConfigError if the plan is damaged, OSError if the run cannot be read or written.
    """
    record_rows: list[dict[str, Any]] = []
    trial_rows: list[dict[str, Any]] = []
    timings: list[pd.DataFrame] = []
    for planned, state, records, steps in folder.map_trials(
        lambda planned, trial: (planned, trial.state(), trial.records(), trial.timings())
    ):
        record_rows += [{"trial": planned.name, **_row(record)} for record in records]
        trial_rows.append(_trial_row(planned, state, records))
        if len(steps):
            timings.append(_timing_rows(planned.name, steps))
    # The columns exist even if no trial has a record yet.
    columns = dict.fromkeys(["trial", *_MEASURED, *(name for row in record_rows for name in row)])
    out = out or folder.path
    records_table = pd.DataFrame(record_rows, columns=list(columns))
    _write_parquet_and_csv(out / layout.RECORDS_TABLE, records_table)
    if timings:
        table = pd.concat(timings, ignore_index=True)
        _replace(out / layout.TIMINGS_TABLE, lambda p: _write_parquet(p, table))
    _write_parquet_and_csv(out / layout.TRIALS_TABLE, pd.DataFrame(trial_rows))


def refresh(folder: RunFolder) -> None:
    """Collect the tables again if they are out of date and the folder can be written to."""
    has_plan = (folder.path / layout.PLAN).is_file()
    has_tables = (folder.path / layout.TRIALS_TABLE).is_file()
    # A run may have been moved without its plan and trials: then its tables are all it has.
    if (has_plan or not has_tables) and folder.writable and not tables_are_current(folder):
        collect(folder)


def tables_are_current(folder: RunFolder) -> bool:
    """Return True if the tables hold everything that the trials have written.

    True for a run that was moved without its trials. False for a run in a bucket, because finding
    out would take a request per trial.
    """
    if folder.is_copy:
        return False
    tables = [folder.path / name for name in (layout.RECORDS_TABLE, layout.TRIALS_TABLE)]
    if not all(table.is_file() for table in tables):
        return False
    written = min(table.stat().st_mtime_ns for table in tables)
    trial_files = (folder.path / layout.TRIALS).glob("*/*.json*")
    return all(file.stat().st_mtime_ns <= written for file in trial_files)


def _row(record: Record) -> dict[str, Any]:
    row = record.to_dict()
    observed = row.pop("observed")
    return (
        row | row.pop("metrics") | {f"observed_{name}": value for name, value in observed.items()}
    )


def _timing_rows(trial: str, steps: np.ndarray[Any, Any]) -> pd.DataFrame:
    table = pd.DataFrame({"trial": [trial] * len(steps)})
    for name in STEP_TIMING.names or ():
        wide = np.int64 if np.issubdtype(steps[name].dtype, np.integer) else np.float64
        table[name] = steps[name].astype(wide)
    return table


def _trial_row(
    planned: PlannedTrial, state: Mapping[str, Any], records: Sequence[Record]
) -> dict[str, Any]:
    status = state.get("status")
    if status in COMPLETE and not records:  # a resumed run trains it again
        status, state = None, {**state, "error": "its records are missing or damaged"}
    measured = [r for r in records if math.isfinite(r.validation_accuracy)]
    best = max(measured, key=lambda record: record.validation_accuracy, default=None)
    last = _row(records[-1]) if records else dict.fromkeys(_MEASURED)
    return {
        "trial": planned.name,
        "config_id": planned.config.id,
        "status": status if status in COMPLETE or status == "failed" else "unfinished",
        **{name: state.get(name) for name in _STATE_COLUMNS},
        "fleet": state.get("fleet", ""),
        "fleet_size": state.get("fleet_size", 1),
        **state.get("data_parallel", {}),
        **{name: value for name, value in state.items() if name.startswith(UNTHINNED)},
        **last,
        **planned.config.to_dict(),  # after the record, whose lr belongs to its step
        "best_validation_accuracy": best.validation_accuracy if best else None,
        "best_validation_epoch": best.epoch if best else None,
    }


def _write_parquet_and_csv(path: Path, table: pd.DataFrame) -> None:
    _replace(path, lambda temporary: _write_parquet(temporary, table))
    # Records have no setting but the rate, and there may be millions of them.
    text = table if path.name == layout.RECORDS_TABLE else with_plain_settings(table)
    _replace(path.with_suffix(".csv"), lambda temporary: text.to_csv(temporary, index=False))


def _write_parquet(path: Path, table: pd.DataFrame) -> None:
    with path.open("wb") as file:  # pyarrow refuses paths that are not UTF-8
        table.to_parquet(file, index=False)


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    temporary = path.with_name(f".{path.name}")
    write(temporary)
    temporary.replace(path)
