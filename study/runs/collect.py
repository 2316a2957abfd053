"""The tables of a run, made from its trials' folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.records import Record
from search_spaces.study import Planned
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE, TrialFolder

_Kept = tuple[Planned, dict[str, Any], list[Record], list[dict[str, float]]]


def collect(folder: RunFolder) -> None:
    """Gather the trials of a run into its two tables, replacing them.

    `records` has a row per record: `trial`, the fields of `Record`, and a column for each
    number `observed`, such as `observed_W`. `timings`, which only data-parallel runs have, has
    a row per trial, worker and step (see `TrialFolder.timings`). `trials` has a row
    per planned trial: `trial`, `config_id`, `status` (`finished`, `diverged`, `stopped` by
    a scheduler, `failed`, `unfinished`, also if its records are damaged), `error`, `attempts`,
    `started` and `ended` (UTC) of the last attempt, `device`, `threads`, `host`, every setting, the
    fields of the last record, and `best_validation_accuracy` with its `best_validation_epoch`; of a
    data-parallel run also its launch (`study.analysis.speedup` says which columns). Raises
    `ConfigError` if its plan is damaged, `OSError` if it cannot be read or written.
    """
    record_rows: list[dict[str, Any]] = []
    trial_rows: list[dict[str, Any]] = []
    timing_rows: list[dict[str, Any]] = []

    def kept(planned: Planned, trial: TrialFolder) -> _Kept:
        return planned, trial.state(), trial.records(), trial.timings()

    for planned, state, records, timings in folder.of_trials(kept):
        record_rows += [{"trial": planned.name, **_row(record)} for record in records]
        trial_rows.append(_trial_row(planned, state, records))
        timing_rows += [{"trial": planned.name, **row} for row in timings]
    # The columns are there even where no trial has a record yet.
    columns = dict.fromkeys(["trial", *_MEASURED, *(name for row in record_rows for name in row)])
    _write_table(folder.path, "records", pd.DataFrame(record_rows, columns=list(columns)))
    if timing_rows:
        pd.DataFrame(timing_rows).to_parquet(folder.path / ".timings.parquet", index=False)
        (folder.path / ".timings.parquet").replace(folder.path / "timings.parquet")
    _write_table(folder.path, "trials", pd.DataFrame(trial_rows))


def refresh(folder: RunFolder) -> None:
    """`collect`, where there is anything to gather, and a folder that can be written to."""
    # A run that was moved without its plan has its tables alone.
    whole = (folder.path / "plan.json").is_file() or not (folder.path / "trials.parquet").is_file()
    if whole and not tables_are_current(folder) and folder.writable:
        collect(folder)


def tables_are_current(folder: RunFolder) -> bool:
    """Whether the tables of a run hold all that its trials have written.

    A run that was moved without its trials' folders has nothing newer than its tables. Of a run in
    a bucket nobody knows without asking for every trial.
    """
    if folder.is_copy:
        return False
    directory = folder.path
    tables = [directory / f"{name}.parquet" for name in ("records", "trials")]
    if not all(table.is_file() for table in tables):
        return False
    made = min(table.stat().st_mtime_ns for table in tables)
    states = (directory / "trials").glob("*/*.json")
    return all(state.stat().st_mtime_ns <= made for state in states)


_MEASURED = [name for name in Record.__dataclass_fields__ if name != "observed"]


def _row(record: Record) -> dict[str, Any]:
    row = record.to_dict()
    observed = row.pop("observed")
    return row | {f"observed_{name}": value for name, value in observed.items()}


_STATE_COLUMNS = ("error", "attempts", "started", "ended", "device", "threads", "host")


def _trial_row(
    planned: Planned, state: Mapping[str, Any], records: Sequence[Record]
) -> dict[str, Any]:
    status = state.get("status")
    if status in COMPLETE and not records:  # `TrialFolder.complete` will have it trained again
        status, state = None, {**state, "error": "its records are missing or damaged"}
    measured = [r for r in records if math.isfinite(r.validation_accuracy)]
    best = max(measured, key=lambda record: record.validation_accuracy, default=None)
    last = _row(records[-1]) if records else dict.fromkeys(_MEASURED)
    return {
        "trial": planned.name,
        "config_id": planned.config.id,
        "status": status if status in COMPLETE or status == "failed" else "unfinished",
        **{name: state.get(name) for name in _STATE_COLUMNS},
        **state.get("data_parallel", {}),
        **last,
        **planned.config.to_dict(),  # after the record, whose lr is that of its step
        "best_validation_accuracy": best.validation_accuracy if best else None,
        "best_validation_epoch": best.epoch if best else None,
    }


def _write_table(directory: Path, name: str, table: pd.DataFrame) -> None:
    write_as: dict[str, Callable[[Path], Any]] = {
        "parquet": lambda path: table.to_parquet(path, index=False),
        "csv": lambda path: table.to_csv(path, index=False),
    }
    for ending, write in write_as.items():
        temporary = directory / f".{name}.{ending}"
        write(temporary)
        temporary.replace(directory / f"{name}.{ending}")
