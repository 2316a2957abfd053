"""Results: a finished run, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import SETTINGS, ConfigError
from lenet.records import PHASES

RUN = "run.json"
RECORDS = "records.parquet"
TRIALS = "trials.parquet"
TIMINGS = "timings.parquet"

COUNTED = ("finished", "stopped", "diverged")
"""The statuses of trials with a result. A diverged trial is a result; one that failed or
is unfinished says nothing about its config."""

_RUN_KEYS = ("study", "budget", "dataset", "device")
_COLUMNS = {
    RECORDS: (
        *("trial", "step", "epoch", "diverged"),
        *("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    ),
    TRIALS: (
        *("trial", "status", "error", "dataset", "optimizer", "lr", "batch_size", "seed"),
        *("train_samples", "epochs", "steps"),
        *("validation_accuracy", "test_loss", "test_accuracy", "train_seconds"),
    ),
    TIMINGS: ("trial", "rank", "step", "begun_at", *(f"{phase}_seconds" for phase in PHASES)),
}


class ReportError(ConfigError):
    """What keeps a run from being reported as asked; the message is one line."""


class ResultsError(ReportError):
    """A folder that cannot be read as a run; the message is one line and says what to
    type instead."""


@dataclass(frozen=True)
class Results:
    """A run as three tables.

    `records` has one row per record: `trial` and the fields of `lenet.records.Record`.
    `trials` has one row per trial: `trial`, `status`, `error`, ..., the fields of
    `lenet.config.TrainConfig`, and the measurements of its last record (accuracies in
    [0, 1], losses in nats per sample, times in seconds). `run` says what was run, on what.
    `timings`, of a data-parallel run, has a row per trial, worker and step: `trial`, `rank`,
    `step`, and the seconds of each of `lenet.records.PHASES`; of others it is empty.
    """

    run: Mapping[str, Any]
    trials: pd.DataFrame
    records: pd.DataFrame
    timings: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def load(cls, path: Path | str) -> Results:
        """The tables of the run in the folder `path`.

        Raises `ResultsError` if the folder is no run, lacks a table, or holds one that is
        cut short or lacks columns.
        """
        directory = Path(path)
        run = load_run(directory)
        trials = _read(directory, TRIALS)
        for name in trials.columns.intersection(list(SETTINGS)):
            # A setting of several numbers (milestones) comes back as an array, which
            # could be neither grouped by nor compared.
            trials[name] = trials[name].map(_several_as_text)
        timed = (directory / TIMINGS).is_file()
        return cls(
            run=run,
            trials=trials,
            records=_read(directory, RECORDS),
            timings=_read(directory, TIMINGS) if timed else pd.DataFrame(),
        )

    @property
    def objective(self) -> str:
        """What the study of this run ranks by; a column of `trials` and of `records`."""
        return str(self.run.get("objective", "validation_accuracy"))

    @property
    def counted(self) -> pd.DataFrame:
        """The trials with a result (see `COUNTED`)."""
        return self.trials[self.trials["status"].isin(COUNTED)]

    @property
    def varied(self) -> list[str]:
        """The settings, except the seed, that take more than one value in this run."""
        return [
            name
            for name in SETTINGS
            if name != "seed" and name in self.trials and len(self.values_of(name)) > 1
        ]

    def values_of(self, setting: str) -> list[Any]:
        """Every value of a setting in this run: unset (None) first, then numbers rising
        and text by alphabet. The order is the same whatever part of the run is looked at,
        and however its trials came in."""
        column = self.trials[setting]
        unset = [None] if column.isna().any() else []
        return [*unset, *sorted(column.dropna().unique().tolist())]


def select(trials: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The trials with these values of these settings; None and NaN stand for unset, a
    frozenset for any of its values."""
    for name, value in where.items():
        column = trials[name]
        if isinstance(value, frozenset):
            trials = trials[column.isin(value)]
            continue
        unset = value is None or value != value
        trials = trials[column.isna() if unset else column == _several_as_text(value)]
    return trials


def load_run(directory: Path) -> dict[str, Any]:
    """What `run.json` says of the run in this folder; raises `ResultsError`."""
    if not directory.is_dir():
        raise ResultsError(
            f"{directory} is no folder: give the folder of a run, such as results/NAME"
        )
    path = directory / RUN
    if not path.is_file():
        raise ResultsError(f"{directory} is no run, it has no {RUN}: {_suggestion(directory)}")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in _RUN_KEYS if key not in run]
        named = isinstance(run, dict) and "name" in run.get("dataset", {})
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise ResultsError(
            f"{path} is cut short or damaged: restore it from a copy, or run the study again"
        ) from None
    if missing or not named:
        raise ResultsError(
            f"{path} lacks {', '.join(missing) or 'the name of the data set'}: "
            "restore it from a copy, or run the study again"
        )
    return run


def _read(directory: Path, name: str) -> pd.DataFrame:
    again = f"python -m study.report {directory}"
    path = directory / name
    if not path.is_file():
        raise ResultsError(f"{directory} has no {name}: type {again}, which makes it")
    try:
        table = pd.read_parquet(path)
    except PermissionError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, OSError):  # pyarrow's errors are one or the other
        raise ResultsError(
            f"{path} is cut short or damaged: delete it and type {again}, which makes it again"
        ) from None
    missing = [column for column in _COLUMNS[name] if column not in table]
    if missing:
        raise ResultsError(
            f"{path} lacks {', '.join(missing)}: delete it and type {again}, which makes it again"
        )
    return table


def _suggestion(directory: Path) -> str:
    """What to type instead of a folder that holds no run but may hold folders that do."""
    inside = sorted(directory.glob(f"*/{RUN}"), key=lambda path: path.stat().st_mtime)
    if inside:
        return f"did you mean {inside[-1].parent}?"
    return "give the folder that a run was written to"


def _several_as_text(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "+".join(map(str, value))
    return value
