"""The folder of a run: created, locked, resumed. `study.runs.layout` lists its files.

Every file is replaced as a whole, so a run that is killed at any moment can be resumed.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import secrets
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from lenet.config import ConfigError, TrainConfig
from lenet.records import last_finite
from search_spaces.objective import maximized
from search_spaces.study import PlannedTrial
from study.runs import layout
from study.runs.bucket import BucketPath
from study.runs.local import LocalPath
from study.runs.local_copy import LocalCopy
from study.runs.metadata import RunMetadata
from study.runs.retrying import RetryingPath, give_up
from study.runs.storage import Location, parse_location, reason, write_json
from study.runs.trial_folder import TrialFolder

_CONCURRENT_REQUESTS = 16

Result = TypeVar("Result")


def default_name(study: str, budget: str) -> str:
    """Return a new name for a run: its study, its budget, the time and four random hex digits.

    Without the digits, runs that start within a second would have the same name.
    """
    return f"{study}-{budget}-{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class RunFolder:
    """The folder of one run of a study.

    `home` is where the run lives. `path` is the local folder in which its tables and figures are
    made: `home` itself, or, for a run in a bucket, its local copy `results/NAME`. Commands accept
    the copy in place of the run's URL.
    """

    home: Location

    def __init__(self, place: str | Path | Location) -> None:
        place = parse_location(place)
        if isinstance(place, LocalPath):
            self.path = place.path.absolute()
            url = self.path / layout.STORAGE_URL
            is_copy = url.is_file()
            self.home = parse_location(url.read_text("utf-8").strip() if is_copy else self.path)
        else:
            self.path = Path(layout.RESULTS, place.name).absolute()
            self.home = place
        self._copy = LocalCopy(self.home, self.path) if isinstance(self.home, BucketPath) else None

    @classmethod
    def create(
        cls, place: str | Path | Location, metadata: RunMetadata, plan: Iterable[PlannedTrial]
    ) -> RunFolder:
        """Create a new run in `place`.

        Raises: ConfigError if something else is there, or it cannot be written.
        """
        folder = cls(place)
        folder.check_free()
        folder.make()
        settings = {planned.name: _entry(planned) for planned in plan}
        with folder._refused_if_not_writable():
            for target in folder._places():
                write_json(target / layout.PLAN, settings)
                write_json(target / layout.METADATA, metadata.to_json())
        return folder

    @classmethod
    def open(cls, place: str | Path | Location) -> RunFolder:
        """Open the run in `place`, and bring its local copy, if it has one, up to date.

        Raises: ConfigError if there is no run.
        """
        folder = cls(place)
        if folder._copy:
            folder._copy.check_belongs()
            folder._copy.download(layout.METADATA, layout.PLAN)
        for name in (layout.METADATA, layout.PLAN):
            if not (folder.path / name).is_file():
                raise ConfigError(
                    f"{place} is not a run (it has no {name}): give the folder that the run "
                    "printed when it started"
                )
        return folder

    def make(self) -> None:
        """Create the local folder. Raises: ConfigError if it cannot be written."""
        with self._refused_if_not_writable():
            self.path.mkdir(parents=True, exist_ok=True)
            if self._copy:
                self._copy.make()

    @contextlib.contextmanager
    def _refused_if_not_writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(
                f"cannot write to {error.filename or self.home} ({reason(error)}): choose another "
                "folder with --results"
            ) from error

    @property
    def is_copy(self) -> bool:
        """Whether `path` is the local copy of a run in a bucket."""
        return self._copy is not None

    @property
    def writable(self) -> bool:
        """Whether this user may write to `path`."""
        return os.access(self.path, os.W_OK | os.X_OK)

    def check_free(self) -> None:
        """Raise `ConfigError` unless a new run can be created here."""
        other = "choose another folder with --results"
        if self._copy:
            self._copy.check_free()
        if (self.path / layout.METADATA).is_file():
            raise ConfigError(
                f"{self.path} holds a run of {self.run.study}: finish it with --resume "
                f"{shlex.quote(str(self.path))}, or {other}"
            )
        if self._copy:
            self._copy.check_belongs()
        if set(LocalPath(self.path).names()) - {layout.LOCK, layout.STORAGE_URL}:
            raise ConfigError(f"{self.path} is not empty and holds no run: {other}")
        parent = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigError(f"cannot write to {parent}: {other}")

    def check_tool(self, tool: str) -> None:
        """Raise `ConfigError` unless the command `tool` created this run."""
        creator = self.run.tool
        if creator != tool:
            raise ConfigError(
                f"{self.path} is a run of {creator}: type python -m {creator} --resume "
                f"{shlex.quote(str(self.path))}"
            )

    @property
    def run(self) -> RunMetadata:
        """The content of `run.json`.

        Raises: ConfigError if it is damaged.
        """
        return RunMetadata.read(self.path / layout.METADATA)

    @property
    def plan(self) -> list[PlannedTrial]:
        """Every trial of the run, in order. Raises: ConfigError if the plan is damaged."""
        return [_planned(name, entry) for name, entry in self._read_plan().items()]

    def update_metadata(self, **changes: Any) -> None:
        """Change fields of `run`."""
        self._rewrite(layout.METADATA, replace(self.run, **changes).to_json())

    def extend_plan(self, plan: Iterable[PlannedTrial]) -> None:
        """Append trials to the plan. Trials that are in the plan already stay as they are."""
        known = self._read_plan()
        new = {p.name: _entry(p) for p in plan if p.name not in known}
        self._rewrite(layout.PLAN, known | new)

    def replace_in_plan(self, trials: Iterable[PlannedTrial]) -> None:
        """Change the fleets and slots of trials in the plan, which keeps its order."""
        self._rewrite(layout.PLAN, self._read_plan() | {p.name: _entry(p) for p in trials})

    def _read_plan(self) -> dict[str, Any]:
        path = self.path / layout.PLAN
        if not path.is_file():
            raise ConfigError(f"{self.path} has no {layout.PLAN}: restore it, or start a new run")
        try:
            plan = json.loads(path.read_bytes())
            if not isinstance(plan, dict):
                raise ValueError("it has no settings by trial name")
        except ValueError as error:
            raise ConfigError(
                f"{path} is cut short or altered ({error}): restore it, or start a new run"
            ) from error
        return plan

    def _rewrite(self, name: str, value: Any) -> None:
        for target in self._places():
            write_json(RetryingPath(target) / name, value)

    def _places(self) -> list[Location]:
        """Return the places of metadata and plan: `path`, and the bucket if `path` is a copy."""
        return [LocalPath(self.path), *([self.home] if self._copy else [])]

    def trial(self, name: str) -> TrialFolder:
        """Return the folder of a trial, which may not exist yet."""
        return TrialFolder.in_run(self.home, name)

    def map_trials(self, function: Callable[[PlannedTrial, TrialFolder], Result]) -> list[Result]:
        """Call `function` for every trial, and return the results in the order of the plan.

        Trials in a bucket are read many at a time, in threads.
        """

        def call(planned: PlannedTrial) -> Result:
            return function(planned, self.trial(planned.name))

        if not self._copy:
            return list(map(call, self.plan))
        with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as threads:
            try:
                return list(threads.map(call, self.plan))
            except KeyboardInterrupt:
                give_up()
                raise

    def unfinished(self) -> list[PlannedTrial]:
        """Return the trials of the plan that are not complete, in order."""
        trials = self.map_trials(lambda planned, trial: (planned, trial.complete))
        return [planned for planned, complete in trials if not complete]

    def best(
        self, objective: str, counts: Callable[[str], bool] = lambda name: True
    ) -> tuple[str, float] | None:
        """Return name and objective of the best trial so far, by its last finite value.

        Only trials whose name passes `counts` take part.
        """

        def last(planned: PlannedTrial, trial: TrialFolder) -> tuple[str, float]:
            records = trial.records() if counts(planned.name) else []
            return planned.name, last_finite(records, objective)

        measured = [item for item in self.map_trials(last) if math.isfinite(item[1])]
        sign = 1 if maximized(objective) else -1
        return max(measured, key=lambda item: sign * item[1], default=None)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run while writing to it. Raises: ConfigError if another run holds the lock."""
        lock = FileLock(self.path / layout.LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"another run is writing to {self.path}: wait for it, or start a run in "
                "another folder"
            ) from None
        try:
            with self._copy.leased() if self._copy else contextlib.nullcontext():
                yield
        finally:
            lock.release()

    def check_held(self) -> None:
        """Raise `ConfigError` if another run has taken this one over since it was `locked`."""
        if self._copy:
            self._copy.check_held()

    def publish(self) -> None:
        """Upload tables and figures, if the run is in a bucket.

        Raises: OSError if the bucket fails, ConfigError if another run has taken this one over.
        """
        if self._copy:
            self._copy.check_held()
            self._copy.publish()

    def upload_database(self) -> None:
        """Upload the database of a search, if the run is in a bucket.

        Raises: OSError if the database cannot be read, or the bucket fails.
        """
        if self._copy:
            self._copy.upload_database()


def _entry(planned: PlannedTrial) -> dict[str, Any]:
    """Return the entry of a trial in the plan: its settings, and its place in a fleet, if any."""
    place = {"fleet": planned.fleet, "slot": planned.slot} if planned.fleet else {}
    return place | planned.config.to_dict()


def _planned(name: str, entry: Mapping[str, Any]) -> PlannedTrial:
    settings = dict(entry)
    fleet, slot = settings.pop("fleet", ""), settings.pop("slot", 0)
    return PlannedTrial(name=name, config=TrainConfig.from_dict(settings), fleet=fleet, slot=slot)
