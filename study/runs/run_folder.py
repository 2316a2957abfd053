"""The folder of a run. Everything in it is replaced whole or not at all, so that a run
killed at any moment can be resumed from what lies there.

    DIR/run.json                what was asked for, on what
    DIR/plan.json               every trial's name and settings
    DIR/trials/NAME/trial.json  status, where it ran, its settings
    DIR/trials/NAME/records.json
    DIR/trials/NAME/checkpoint.pt       while unfinished
    DIR/trials/NAME/events.out.*        TensorBoard
    DIR/trials/NAME/timings.npy         of a data-parallel run: seconds of each step
    DIR/records.parquet, trials.parquet (and .csv): all trials, made by `collect`
    DIR/timings.parquet         likewise, where trials have timings

DIR may be in a bucket (`places.BucketPath`). Then trials are read and written there, and all that
is not a trial's lies in a folder of this machine too, its copy, from where it is brought there.
A copy knows where it belongs (`storage.url`), so it stands for its run wherever a folder is asked
for.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pyarrow
from filelock import FileLock, Timeout

from lenet.config import ConfigError, TrainConfig
from search_spaces.study import Planned, maximized
from study.runs.lease import Lease, leased
from study.runs.storage import (
    BucketPath,
    Place,
    give_up,
    keep,
    keep_json,
    place_of,
    reason,
    remedy,
    replace_file,
    replace_json,
)
from study.runs.trial_folder import TrialFolder

_LOCK = ".lock"
_HANDLE = "storage.url"
_TRUTH = ("run.json", "plan.json")
_DATABASE = "optuna.db"
"""A search's, in its run's folder."""
_JOURNALS = ("-journal", "-wal", "-shm")
"""SQLite's, which a driver killed in mid-change leaves: they would be played into a database that
they are not of."""
_AT_ONCE = 16  # requests to a bucket

Answer = TypeVar("Answer")


def default_name(study: str, budget: str) -> str:
    """What a run is called that was given no folder."""
    return f"{study}-{budget}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _home_of(path: Path) -> Place:
    """Where the run lies whose folder, or copy, is at `path`."""
    handle = path / _HANDLE
    return place_of(handle.read_text(encoding="utf-8").strip()) if handle.is_file() else path


class RunFolder:
    """The folder of one run of a study.

    `home` is where it lies; `path`, where its tables and figures are made, is the same, or its
    copy on this machine: that folder, or `results/NAME` where a URL is given.
    """

    def __init__(self, place: Place) -> None:
        self.path = Path("results", place.name) if isinstance(place, BucketPath) else place
        self.path = self.path.absolute()
        self.home = place if isinstance(place, BucketPath) else _home_of(self.path)
        self._lease: Lease | None = None

    @classmethod
    def create(cls, place: Place, run: Mapping[str, Any], plan: Iterable[Planned]) -> RunFolder:
        """A new run in `place`; raises `ConfigError` if something else is there already or
        it cannot be written."""
        folder = cls(place)
        folder.check_free()
        settings = {planned.name: planned.config.to_dict() for planned in plan}
        with folder._written():
            folder.make()
            replace_json(folder.path / "plan.json", settings)
            replace_json(folder.path / "run.json", run)
            for name in _TRUTH:
                folder._bring(folder.path / name, replace_file)
        return folder

    def make(self) -> None:
        """Have the folder on this machine; raises `ConfigError` if it cannot be written."""
        with self._written():
            self.path.mkdir(parents=True, exist_ok=True)
            if self.is_copy:
                replace_file(self.path / _HANDLE, f"{self.home}\n".encode())

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = error.filename or self.home
            raise ConfigError(
                f"cannot write to {place} ({reason(error)}): name another folder with --results"
            ) from error

    @property
    def is_copy(self) -> bool:
        """Whether the run lies elsewhere than in `path`."""
        return self.home != self.path

    def check_free(self) -> None:
        """Raise `ConfigError` unless a new run can be written here."""
        if isinstance(self.home, BucketPath):
            self._reach(self.home.check)
            names = {name for name in self._reach(self.home.names) if not name.startswith(_LOCK)}
            if "run.json" in names:
                raise ConfigError(
                    f"{self.home} holds a run: finish it with --resume {self.home}, or name "
                    "another folder with --results"
                )
            if names or self.home.is_root:
                raise ConfigError(
                    f"{self.home} is not empty and holds no run: name another folder with --results"
                    if names
                    else f"{self.home} is a whole bucket: name a folder in it, {self.home}/NAME"
                )
        if (self.path / "run.json").is_file():
            held = self._read("run.json").get("study")
            raise ConfigError(
                f"{self.path} holds a run of {held}: finish it with --resume {self.path}, or "
                "name another folder with --results"
            )
        ours = {_LOCK, _HANDLE} if self.is_copy and _home_of(self.path) == self.home else {_LOCK}
        if self.path.is_dir() and any(item.name not in ours for item in self.path.iterdir()):
            raise ConfigError(
                f"{self.path} is not empty and holds no run: name another folder with --results"
            )
        parent = next(place for place in (self.path, *self.path.parents) if place.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigError(f"cannot write to {parent}: name another folder with --results")

    @classmethod
    def open(cls, place: Place) -> RunFolder:
        """The run in `place`; raises `ConfigError` if there is none. A copy is brought up to
        date."""
        folder = cls(place)
        if folder.is_copy:
            folder._fetch()
        for name in _TRUTH:
            if not (folder.path / name).is_file():
                raise ConfigError(
                    f"{place} is no run (it has no {name}): give the folder that a run named "
                    "when it began"
                )
        return folder

    def _fetch(self) -> None:
        """Bring here what the copy lacks, and what others may have changed."""
        if self.path.is_dir() and any(self.path.iterdir()) and _home_of(self.path) != self.home:
            raise ConfigError(
                f"{self.path}, where the copy of {self.home} would lie, holds something else: move "
                "it away, or type this in another folder"
            )
        assert isinstance(self.home, BucketPath)
        self._reach(self.home.check)
        self._refresh(*_TRUTH)

    def _refresh(self, *names: str) -> None:
        """Have these files here as they are where the run lies, if they are there."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                content = self._reach((self.home / name).read_bytes)
                self.make()
                for ending in _JOURNALS if name == _DATABASE else ():
                    (self.path / f"{name}{ending}").unlink(missing_ok=True)
                replace_file(self.path / name, content)

    def _reach(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except (OSError, pyarrow.ArrowException) as error:
            if isinstance(error, FileNotFoundError) and "no bucket" not in str(error):
                raise
            said = reason(error) if isinstance(error, OSError) else str(error)
            raise ConfigError(f"cannot reach {self.home} ({said}): {remedy(error)}") from error

    def publish(self) -> None:
        """Bring the tables, the figures and all else that was made of the run in its copy to where
        it lies. Raises `OSError` if that cannot be reached, and `ConfigError` if another run has
        taken it over."""
        self.check_held()
        for path in sorted(self.path.rglob("*")) if self.is_copy else ():
            parts = path.relative_to(self.path).parts
            ours = path.name == _HANDLE or any(part.startswith(".") for part in parts)
            ours = ours or parts[0] in (*_TRUTH, _DATABASE)  # brought when they are written
            if path.is_file() and not ours:
                self._bring(path)

    def keep_database(self) -> None:
        """Bring the search's database, if it is in the copy, as it is between two changes. Raises
        `OSError` if it cannot be read, or kept."""
        path = self.path / _DATABASE
        if not self.is_copy or not path.is_file():
            return
        with tempfile.TemporaryDirectory(prefix="study-database-") as place:
            whole = Path(place, _DATABASE)
            try:
                with (
                    contextlib.closing(sqlite3.connect(path)) as source,
                    contextlib.closing(sqlite3.connect(whole)) as target,
                ):
                    source.backup(target)
            except sqlite3.Error as error:
                raise OSError(errno.EIO, str(error), str(path)) from error
            keep(self.home / _DATABASE, whole.read_bytes())

    def _bring(self, path: Path, write: Callable[[Place, bytes], None] = keep) -> None:
        if self.is_copy:
            write(self.home / path.relative_to(self.path).as_posix(), path.read_bytes())

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
        keep_json(self.path / "run.json", self.run | changes)
        self._bring(self.path / "run.json")

    def extend(self, plan: Iterable[Planned]) -> None:
        """Add trials to the plan, behind those that it has; one that it has stays as it is."""
        known = self._read("plan.json")
        more = {p.name: p.config.to_dict() for p in plan if p.name not in known}
        keep_json(self.path / "plan.json", known | more)
        self._bring(self.path / "plan.json")

    def trial(self, name: str) -> TrialFolder:
        return TrialFolder(self.home / "trials" / name)

    def of_trials(self, ask: Callable[[Planned, TrialFolder], Answer]) -> list[Answer]:
        """What `ask` says of every trial, in the order of the plan. From a bucket, many are read
        at once."""

        def answer(planned: Planned) -> Answer:
            return ask(planned, self.trial(planned.name))

        if not self.is_copy:
            return list(map(answer, self.plan))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            try:
                return list(threads.map(answer, self.plan))
            except KeyboardInterrupt:
                give_up()
                raise

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
            if not isinstance(self.home, BucketPath):
                yield
                return
            with leased(self.home) as self._lease:
                # Another run may have gone on since it was last looked at.
                self._refresh(*_TRUTH, _DATABASE)
                yield
        finally:
            # Refused, a run leaves nothing behind.
            if self.is_copy and {item.name for item in self.path.iterdir()} <= {_LOCK, _HANDLE}:
                shutil.rmtree(self.path)
            lock.release()

    def check_held(self) -> None:
        """Raise `ConfigError` if another run has taken this one over since it was `locked`."""
        if self._lease is not None:
            self._lease.check()

    def unfinished(self) -> list[Planned]:
        """The trials of the plan that are not complete, in order."""

        def left(planned: Planned, trial: TrialFolder) -> Planned | None:
            return None if trial.complete else planned

        return [planned for planned in self.of_trials(left) if planned is not None]

    def best(self, objective: str) -> tuple[str, float] | None:
        """The trial with the best last record so far, and what it reached."""

        def last(planned: Planned, trial: TrialFolder) -> tuple[str, float]:
            records = trial.records()
            return planned.name, getattr(records[-1], objective) if records else math.nan

        finite = [one for one in self.of_trials(last) if math.isfinite(one[1])]
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
