"""Results: the tables of a finished run, read from its folder."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import ConfigError, settings_in
from lenet.records import PHASES, Record
from study.analysis.wording import label
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
        for name in settings_in(trials.columns):
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
        """The column of `trials` and `records` that ranks the points of this run.

        It is the study's objective if this run measured it. A regression has no accuracy, and may
        have no validation data, so it ranks by a loss.
        """
        chosen = self.run.objective
        loss = f"{chosen.partition('_')[0]}_loss"  # of the same split
        for name in (chosen, loss, "train_loss"):
            if name in self.completed and self.completed[name].notna().any():
                return name
        return chosen

    @property
    def objective_note(self) -> str:
        """Say why `objective` is not the study's own; empty if it is."""
        declared, used = self.run.objective, self.objective
        if used == declared:
            return ""
        is_own = declared in self.completed and declared not in Record.__dataclass_fields__
        reason = "is NaN in all trials" if is_own else "was not measured"
        return f"{label(declared)} {reason}, so points are ranked by {label(used)} instead"

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
            for name in settings_in(self.trials)
            if name != "seed" and len(self.values_of(name)) > 1
        ]

    def records_of(self, trials: Iterable[str]) -> pd.DataFrame:
        """Return the records of these trials, in the order of `records`."""
        rows = [self._rows_of_trial[name] for name in trials if name in self._rows_of_trial]
        return self.records.iloc[np.sort(np.concatenate(rows)) if rows else []]

    @cached_property
    def _rows_of_trial(self) -> Mapping[Any, np.ndarray[Any, Any]]:
        # Looking for a trial's name among all records, once per trial, takes minutes in a run of
        # thousands of trials.
        rows = self.records.groupby("trial").indices
        return {trial: np.asarray(of_trial) for trial, of_trial in rows.items()}

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
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    try:
        # From bytes, because pyarrow refuses paths that are not UTF-8.
        table = pd.read_parquet(io.BytesIO(content))
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
