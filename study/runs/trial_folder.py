"""What one trial leaves in its run's folder; `study.runs.layout` shows the files."""

from __future__ import annotations

import datetime
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet.records import PHASES, Record
from study.runs import layout
from study.runs.retrying import RetryingPath
from study.runs.storage import Location, OutOfReach, parse_location, read_json, reason, write_json

COMPLETE = frozenset({"finished", "diverged", "stopped"})
"""The statuses after which a trial is never trained again. A scheduler stopped it: `stopped`."""

STEP_TIMING = np.dtype(
    [
        ("rank", np.int32),
        ("step", np.int32),
        ("begun_at", np.int32),
        *((f"{phase}_seconds", np.float32) for phase in PHASES),
    ]
)
"""A step of one worker. `begun_at` is the step at which its attempt began or resumed: the first
ones after it are warm-up."""


class TrialFolder:
    """The folder of one trial, read and written by the worker that trains it.

    Storage that fails is retried for `study.runs.retrying.patience()` seconds. A worker that was
    cut off or asleep may come back after another attempt has begun: then `save`, `finish` and
    `save_timings` raise OutOfReach, so newer results are never overwritten.
    """

    def __init__(self, home: str | Path | Location) -> None:
        self.home = parse_location(home)
        self._files = RetryingPath(self.home)
        self._events: Path | None = None
        self._attempt: int | None = None

    @classmethod
    def in_run(cls, home: Location, name: str) -> TrialFolder:
        """Return the folder of the trial `name` of the run at `home`."""
        return cls(home / layout.TRIALS / name)

    def begin(self, details: Mapping[str, Any]) -> None:
        """Begin another attempt; `details` say where it runs and what."""
        self._files.make_folder()
        self._files.delete_leftovers()
        self._attempt = self.state().get("attempts", 0) + 1
        running = {"status": "running", "attempts": self._attempt, "error": None}
        self._write_state({**details, **running, "started": _now(), "ended": None})

    def save(self, records: Sequence[Record], checkpoint: bytes) -> None:
        """Save the records so far, and a checkpoint taken at the last of them.

        The checkpoint is written last, so no record before it can be missing.
        """
        self._check_attempt()
        self._write_records(records)
        (self._files / layout.CHECKPOINT).write_bytes(checkpoint)

    def finish(self, status: str, records: Sequence[Record]) -> None:
        """Save the whole curve, mark the trial complete, and delete its checkpoint."""
        self._check_attempt()
        self._write_records(records)
        self.mark(status)

    def adopt(self, status: str, records: Sequence[Record], details: Mapping[str, Any]) -> None:
        """Save the whole curve of a trial that another run has trained."""
        self._files.make_folder()
        self._write_records(records)
        self._write_state({"error": None, **details, "status": status})

    def mark(self, status: str, error: str | None = None) -> None:
        """Set the status: one of `COMPLETE`, or `failed`."""
        self._files.make_folder()
        self._write_state({**self.state(), "status": status, "error": error, "ended": _now()})
        if status in COMPLETE:
            (self._files / layout.CHECKPOINT).delete()

    def state(self) -> dict[str, Any]:
        """Return status, attempts, host and settings; empty before the first attempt.

        Also empty if the file is damaged.
        """
        found = read_json(self._files / layout.TRIAL_STATE)
        return found if isinstance(found, dict) else {}

    def records(self) -> list[Record]:
        """Return the records so far. Those after the checkpoint will be trained again."""
        found = read_json(self._files / layout.TRIAL_RECORDS)
        return [Record(**row) for row in found] if isinstance(found, list) else []

    def checkpoint(self) -> bytes | None:
        """Return the last checkpoint, or None if there is none."""
        try:
            return (self._files / layout.CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None

    @property
    def complete(self) -> bool:
        """Whether the trial need not be trained; it must be if its records are damaged."""
        return self.state().get("status") in COMPLETE and bool(self.records())

    def save_timings(self, steps: NDArray[Any]) -> None:
        """Save the timings of all steps so far, an array of `STEP_TIMING`.

        They are written with every checkpoint: as text, that would take as long as the steps.
        """
        self._check_attempt()
        buffer = io.BytesIO()
        np.save(buffer, steps, allow_pickle=False)
        (self._files / layout.TRIAL_TIMINGS).write_bytes(buffer.getvalue())

    def timings(self) -> NDArray[Any]:
        """Return a row of `STEP_TIMING` per worker and step; none if missing or damaged."""
        try:
            content = (self._files / layout.TRIAL_TIMINGS).read_bytes()
            steps = np.load(io.BytesIO(content), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            steps = np.empty(0)
        return steps if steps.dtype == STEP_TIMING else np.empty(0, STEP_TIMING)

    @property
    def events(self) -> Path:
        """The local folder to which TensorBoard's writer writes.

        Not the trial's own folder: the writer does not survive a full disk.
        """
        if self._events is None:
            self._events = Path(tempfile.mkdtemp(prefix="study-events-"))
        return self._events

    def save_events(self) -> None:
        """Copy what is in `events` to the trial's folder.

        The events are for viewing only: if they cannot be copied, the worker's log says so and
        nothing fails.
        """
        for path in self._events.iterdir() if self._events else ():
            target = self.home / path.name
            try:
                target.append_from(path)
            except OSError as error:
                print(f"cannot write {target} ({reason(error)})", flush=True)

    def close_events(self) -> None:
        """Delete the local folder `events`."""
        if self._events is not None:
            shutil.rmtree(self._events)
            self._events = None

    def _check_attempt(self) -> None:
        latest = self.state().get("attempts", 0)
        if self._attempt is not None and latest > self._attempt:
            raise OutOfReach(
                f"{self.home} is trained by another worker: this was attempt {self._attempt}, and "
                f"attempt {latest} has begun"
            )

    def _write_records(self, records: Sequence[Record]) -> None:
        write_json(self._files / layout.TRIAL_RECORDS, [record.to_dict() for record in records])

    def _write_state(self, state: Mapping[str, Any]) -> None:
        write_json(self._files / layout.TRIAL_STATE, state)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
