"""The folder of a run. Everything in it is replaced whole or not at all, so that a run
killed at any moment can be resumed from what lies there.

    DIR/run.json                what was asked for, on what
    DIR/plan.json               every trial's name and settings
    DIR/trials/NAME/trial.json  status, where it ran, its settings
    DIR/trials/NAME/records.json
    DIR/trials/NAME/checkpoint.pt       while unfinished
    DIR/trials/NAME/events.out.*        TensorBoard
    DIR/trials/NAME/timings.json        of a data-parallel run: seconds of each step
    DIR/records.parquet, trials.parquet (and .csv): all trials, made by `collect`
    DIR/timings.parquet         likewise, where trials have timings
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from lenet.config import ConfigError, TrainConfig
from lenet.records import PHASES, Record
from search_spaces.study import Planned, maximized

_LOCK = ".lock"
COMPLETE = frozenset({"finished", "diverged", "stopped"})
"""The statuses after which a trial is never run again. `stopped`: by a scheduler."""


def default_folder(study: str, budget: str) -> Path:
    """Where a run goes that was given no folder."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("results") / f"{study}-{budget}-{stamp}"


def replace_file(path: Path, content: bytes) -> None:
    """Write `path` so that a reader, or a crash, sees the old content or the new, whole."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())  # else a power cut may leave the new name on nothing
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide results from a group
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _replace_json(path: Path, value: Any) -> None:
    replace_file(path, json.dumps(value, indent=1).encode())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _read_json(path: Path) -> Any:
    """What `path` holds, or None if it is missing or damaged: a trial whose file a broken
    disk has cut is trained again, rather than stopping the whole run."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


class TrialFolder:
    """What one trial leaves: read and written by the worker that trains it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Note that the trial runs, with `facts` on where and what."""
        self.path.mkdir(parents=True, exist_ok=True)
        for leftover in self.path.glob(".*.*"):  # of a write that was killed
            leftover.unlink()
        attempts = self.state().get("attempts", 0) + 1
        running = {"status": "running", "attempts": attempts, "error": None}
        self._write_state({**facts, **running, "started": _now(), "ended": None})

    def save(self, records: Sequence[Record], checkpoint: bytes) -> None:
        """Keep the records so far and a checkpoint taken at the last of them.

        The checkpoint is written last: whatever interrupts, no record up to it is missing.
        """
        self._write_records(records)
        replace_file(self.path / "checkpoint.pt", checkpoint)

    def saved_checkpoint(self) -> bytes | None:
        """The last checkpoint, or None if there is none."""
        path = self.path / "checkpoint.pt"
        return path.read_bytes() if path.is_file() else None

    def finish(self, status: str, records: Sequence[Record]) -> None:
        """Keep the whole curve; the trial is complete and its checkpoint not needed."""
        self._write_records(records)
        self.mark(status)

    def adopt(self, status: str, records: Sequence[Record], facts: Mapping[str, Any]) -> None:
        """Keep the whole curve of a trial that another run has trained."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._write_records(records)
        self._write_state({"error": None, **facts, "status": status})

    def keep_timings(self, begun_at: int, seconds: Sequence[Sequence[Sequence[float]]]) -> None:
        """Keep, by worker, the seconds of each step behind `begun_at` in each of
        `lenet.step_clock.PHASES`."""
        _replace_json(self.path / "timings.json", {"begun_at": begun_at, "seconds": seconds})

    def timings(self) -> list[dict[str, float]]:
        """A row per worker and step: `rank`, `step` and `NAME_seconds` of each phase."""
        found = _read_json(self.path / "timings.json") or {"begun_at": 0, "seconds": []}
        columns = [f"{phase}_seconds" for phase in PHASES]
        return [
            {
                "rank": rank,
                "step": found["begun_at"] + 1 + i,
                **dict(zip(columns, row, strict=True)),
            }
            for rank, rows in enumerate(found["seconds"])
            for i, row in enumerate(rows)
        ]

    def mark(self, status: str, error: str | None = None) -> None:
        """Set the status (one of `COMPLETE`, or `failed`)."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._write_state({**self.state(), "status": status, "error": error, "ended": _now()})
        if status in COMPLETE:
            (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """What `trial.json` says; empty before the first attempt, or if it is damaged."""
        found = _read_json(self.path / "trial.json")
        return found if isinstance(found, dict) else {}

    def records(self) -> list[Record]:
        """The records so far. Behind the checkpoint's step they will be trained again."""
        found = _read_json(self.path / "records.json")
        return [Record(**row) for row in found] if isinstance(found, list) else []

    def _write_records(self, records: Sequence[Record]) -> None:
        _replace_json(self.path / "records.json", [record.to_dict() for record in records])

    def _write_state(self, state: Mapping[str, Any]) -> None:
        _replace_json(self.path / "trial.json", state)


class RunFolder:
    """The folder of one run of a study."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def create(cls, path: Path, run: Mapping[str, Any], plan: Iterable[Planned]) -> RunFolder:
        """A new run in `path`; raises `ConfigError` if something else is there already or
        it cannot be written."""
        folder = cls(path)
        folder.check_free()
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            _replace_json(folder.path / "plan.json", {p.name: p.config.to_dict() for p in plan})
            _replace_json(folder.path / "run.json", run)
        except OSError as error:
            raise ConfigError(
                f"cannot write to {folder.path} ({error.strerror}): name another folder "
                "with --results"
            ) from error
        return folder

    def check_free(self) -> None:
        """Raise `ConfigError` unless a new run can be written here."""
        if (self.path / "run.json").is_file():
            held = self._read("run.json").get("study")
            raise ConfigError(
                f"{self.path} holds a run of {held}: finish it with --resume {self.path}, or "
                "name another folder with --results"
            )
        if self.path.is_dir() and any(item.name != _LOCK for item in self.path.iterdir()):
            raise ConfigError(
                f"{self.path} is not empty and holds no run: name another folder with --results"
            )
        parent = next(place for place in (self.path, *self.path.parents) if place.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigError(f"cannot write to {parent}: name another folder with --results")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run in `path`; raises `ConfigError` if there is none."""
        folder = cls(path)
        for name in ("run.json", "plan.json"):
            if not (folder.path / name).is_file():
                raise ConfigError(
                    f"{path} is no run (it has no {name}): give the folder that a run named "
                    "when it began"
                )
        return folder

    @property
    def writable(self) -> bool:
        """Whether this user may write here."""
        return os.access(self.path, os.W_OK | os.X_OK)

    @property
    def run(self) -> dict[str, Any]:
        """What was asked for, on what."""
        return self._read("run.json")

    def check_tool(self, tool: str) -> None:
        """Raise `ConfigError` unless the command `tool` began this run."""
        began = self.run.get("tool", tool)
        if began != tool:
            raise ConfigError(
                f"{self.path} is a run of {began}: type python -m {began} --resume {self.path}"
            )

    @property
    def plan(self) -> list[Planned]:
        """Every trial of the run, in order."""
        return [
            Planned(name=name, config=TrainConfig.from_dict(settings))
            for name, settings in self._read("plan.json").items()
        ]

    def amend(self, **changes: Any) -> None:
        """Change what is said of the run as a whole."""
        _replace_json(self.path / "run.json", self.run | changes)

    def extend(self, plan: Iterable[Planned]) -> None:
        """Add trials to the plan, behind those that it has; one that it has stays as it is."""
        known = self._read("plan.json")
        more = {p.name: p.config.to_dict() for p in plan if p.name not in known}
        _replace_json(self.path / "plan.json", known | more)

    def trial(self, name: str) -> TrialFolder:
        return TrialFolder(self.path / "trials" / name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while writing; raises `ConfigError` if another run does."""
        lock = FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"another run is writing to {self.path}: wait for it, or start a run in "
                "another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def unfinished(self) -> list[Planned]:
        """The trials of the plan that are not complete, in order; one whose records are
        damaged is not."""

        def is_complete(trial: TrialFolder) -> bool:
            return trial.state().get("status") in COMPLETE and bool(trial.records())

        return [planned for planned in self.plan if not is_complete(self.trial(planned.name))]

    def best(self, objective: str) -> tuple[str, float] | None:
        """The trial with the best last record so far, and what it reached."""
        reached = {
            planned.name: getattr(records[-1], objective)
            for planned in self.plan
            if (records := self.trial(planned.name).records())
        }
        finite = [(name, value) for name, value in reached.items() if math.isfinite(value)]
        sign = 1 if maximized(objective) else -1
        return max(finite, key=lambda one: sign * one[1], default=None)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads((self.path / name).read_bytes())
            if not isinstance(value, dict):
                raise ValueError("it holds no settings by name")
        except ValueError as error:
            raise ConfigError(
                f"{self.path / name} is cut short or altered ({error}): restore it, or start "
                "a new run"
            ) from error
        return value


def collect(directory: Path) -> None:
    """Gather the trials of the run in `directory` into its two tables, replacing them.

    `records` has a row per record: `trial`, the fields of `Record`, and a column for each
    number `observed`, such as `observed_W`. `timings`, which only data-parallel runs have, has
    a row per trial, worker and step (see `TrialFolder.timings`). `trials` has a row
    per planned trial: `trial`, `config_id`, `status` (`finished`, `diverged`, `stopped` by
    a scheduler, `failed`, `unfinished`), `error`, `attempts`, `started` and `ended` (UTC) of
    the last attempt, `device`, `threads`, `host`, every setting, the fields of the last
    record, and `best_validation_accuracy` with its `best_validation_epoch`; of a data-parallel
    run also its launch (`study.analysis.scaling` says which columns). Raises
    `ConfigError` if `directory` holds no run.
    """
    folder = RunFolder.open(directory)
    record_rows: list[dict[str, Any]] = []
    trial_rows: list[dict[str, Any]] = []
    timing_rows: list[dict[str, Any]] = []
    for planned in folder.plan:
        trial = folder.trial(planned.name)
        state, records = trial.state(), trial.records()
        record_rows += [{"trial": planned.name, **_row(record)} for record in records]
        trial_rows.append(_trial_row(planned, state, records))
        timing_rows += [{"trial": planned.name, **row} for row in trial.timings()]
    # The columns are there even where no trial has a record yet.
    columns = dict.fromkeys(["trial", *_MEASURED, *(name for row in record_rows for name in row)])
    _write_table(folder.path, "records", pd.DataFrame(record_rows, columns=list(columns)))
    if timing_rows:
        timings = pd.DataFrame(timing_rows)
        timings.to_parquet(folder.path / ".timings.parquet", index=False)
        (folder.path / ".timings.parquet").replace(folder.path / "timings.parquet")
    _write_table(folder.path, "trials", pd.DataFrame(trial_rows))


def tables_are_current(directory: Path) -> bool:
    """Whether the tables of the run in `directory` hold all that its trials have written.

    A run that was moved without its trials' folders has nothing newer than its tables.
    """
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
