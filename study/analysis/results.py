"""Results: the tables of a finished run, read from its folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import SETTINGS, ConfigError
from lenet.records import PHASES
from study.runs.layout import METADATA, RECORDS_TABLE, TIMINGS_TABLE, TRIALS_TABLE
from study.runs.metadata import RunMetadata
from study.runs.trial_folder import COMPLETE

_COLUMNS = {
    RECORDS_TABLE: (
        "trial",
        "step",
        "epoch",
        "diverged",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    ),
    TRIALS_TABLE: (
        "trial",
        "status",
        "error",
        "dataset",
        "optimizer",
        "lr",
        "batch_size",
        "seed",
        "train_samples",
        "epochs",
        "steps",
        "validation_accuracy",
        "test_loss",
        "test_accuracy",
        "train_seconds",
    ),
    TIMINGS_TABLE: ("trial", "rank", "step", "begun_at", *(f"{phase}_seconds" for phase in PHASES)),
}


@dataclass(frozen=True)
class Results:
    """The tables of a run.

    - `records` has a row per record: `trial` and the fields of `lenet.records.Record`.
    - `trials` has a row per trial: `trial`, `status`, `error`, ..., the fields of
      `lenet.config.TrainConfig`, and the measurements of its last record (accuracies in [0, 1],
      losses in nats per sample, times in seconds).
    - `timings` has a row per trial, worker and step of a data-parallel run: `trial`, `rank`,
      `step`, and the seconds of each of `lenet.records.PHASES`. It is empty for other runs.
    """

    run: RunMetadata
    trials: pd.DataFrame
    records: pd.DataFrame
    timings: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def load(cls, path: Path | str) -> Results:
        """Read the tables of the run in the folder `path`.

        Raises: ConfigError if the folder holds no run, or a table is missing, damaged or lacks
        columns.
        """
        directory = Path(path)
        run = load_run(directory)
        trials = _read(directory, TRIALS_TABLE)
        for name in trials.columns.intersection(list(SETTINGS)):
            # Parquet returns a setting of several numbers (milestones) as an array, which can
            # neither be grouped by nor compared.
            trials[name] = trials[name].map(_hashable)
        has_timings = (directory / TIMINGS_TABLE).is_file()
        return cls(
            run=run,
            trials=trials,
            records=_read(directory, RECORDS_TABLE),
            timings=_read(directory, TIMINGS_TABLE) if has_timings else pd.DataFrame(),
        )

    @property
    def objective(self) -> str:
        """The column of `trials` and `records` that ranks the points of this run."""
        return self.run.objective

    @property
    def completed(self) -> pd.DataFrame:
        """The trials with a result: finished, stopped by a scheduler, or diverged.

        A trial that failed or is unfinished says nothing about its config.
        """
        return self.trials[self.trials["status"].isin(COMPLETE)]

    @property
    def varied_settings(self) -> list[str]:
        """The settings, except the seed, that take several values in this run."""
        return [
            name
            for name in SETTINGS
            if name != "seed" and name in self.trials and len(self.values_of(name)) > 1
        ]

    def values_of(self, setting: str) -> list[Any]:
        """Return the values of a setting in this run: None if it is unset, then sorted values."""
        column = self.trials[setting]
        unset = [None] if column.isna().any() else []
        return [*unset, *sorted(column.dropna().unique().tolist())]


def select(trials: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Return the trials with these settings.

    A value of None or NaN selects trials that leave the setting unset; a frozenset selects any of
    its values.
    """
    for name, value in where.items():
        column = trials[name]
        if isinstance(value, frozenset):
            trials = trials[column.isin(value)]
            continue
        unset = value is None or value != value
        trials = trials[column.isna() if unset else column == _hashable(value)]
    return trials


def load_run(directory: Path) -> RunMetadata:
    """Read the `run.json` of the run in a folder.

    Raises: ConfigError if the folder holds no run or a damaged one.
    """
    if not directory.is_dir():
        raise ConfigError(
            f"{directory} is not a folder: give the folder of a run, such as results/NAME"
        )
    path = directory / METADATA
    if not path.is_file():
        raise ConfigError(
            f"{directory} is not a run (it has no {METADATA}): {_suggestion(directory)}"
        )
    try:
        return RunMetadata.read(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(str(error)) from None


def _read(directory: Path, name: str) -> pd.DataFrame:
    command = f"python -m study.report {shlex.quote(str(directory))}"
    path = directory / name
    if not path.is_file():
        raise ConfigError(f"{directory} has no {name}: run {command} to create it")
    try:
        table = pd.read_parquet(path)
    except PermissionError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, OSError):  # pyarrow raises either
        raise ConfigError(
            f"{path} is cut short or damaged: delete it and type {command} to recreate it"
        ) from None
    missing = [column for column in _COLUMNS[name] if column not in table]
    if missing:
        raise ConfigError(
            f"{path} lacks {', '.join(missing)}: delete it and type {command} to recreate it"
        )
    return table


def _suggestion(directory: Path) -> str:
    """Suggest the newest run inside a folder that is not a run itself."""
    runs = sorted(directory.glob(f"*/{METADATA}"), key=lambda path: path.stat().st_mtime)
    if runs:
        return f"did you mean {runs[-1].parent}?"
    return "give the folder of a run, such as results/NAME"


def _hashable(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "+".join(map(str, value))
    return value
