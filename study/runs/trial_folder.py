"""The folder of one trial within its run's folder; `study.runs.layout` lists the files."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet.records import PHASES, Record
from lenet.run_length import RunLength
from study.runs import layout
from study.runs.event_file import EventFile
from study.runs.retrying import RetryingPath
from study.runs.storage import Location, OutOfReach, parse_location, read_json, write_json

COMPLETE = frozenset({"finished", "diverged", "stopped"})
"""The statuses after which a trial is never trained again. `stopped`: by a scheduler."""

UNTHINNED = "unthinned_"
"""The prefix of quantities in a trial's state that were measured over all its records before some
of these were merged; see `study.analysis.thinning`."""
UNTHINNED_RECORDS = f"{UNTHINNED}records"
"""the number of records before"""
UNTHINNED_EVALUATIONS = f"{UNTHINNED}evaluations"
"""the number of records with held-out data before, if those were merged, too"""

STEP_TIMING = np.dtype(
    [
        ("rank", np.int32),
        ("step", np.int32),
        ("begun_at", np.int32),
        *((f"{phase}_seconds", np.float32) for phase in PHASES),
    ]
)
"""A step of one worker. `begun_at` is the step at which its attempt began or resumed: the first
steps after it are warm-up."""


class TrialFolder:
    """The folder of one trial, read and written by the worker that trains it.

    Storage that fails is retried for `study.runs.retrying.patience()` seconds. A worker that was
    cut off or asleep may come back after another attempt has begun. Its `save`, `finish` and
    `save_timings` then raise OutOfReach, so newer results are never overwritten.
    """

    def __init__(self, home: str | Path | Location) -> None:
        self.home = parse_location(home)
        self._files = RetryingPath(self.home)
        self._events = EventFile(self.home)
        self._attempt: int | None = None
        self._content = b""
        self._written: list[int] = []
        """the steps of the records in `_content`, which this object has written"""

    @classmethod
    def in_run(cls, home: Location, name: str) -> TrialFolder:
        """Return the folder of the trial `name` of the run at `home`."""
        return cls(home / layout.TRIALS / name)

    def begin(self, details: Mapping[str, Any]) -> None:
        """Begin another attempt; `details` say where it runs, and with which settings."""
        self._files.make_folder()
        self._files.delete_leftovers()
        self._attempt = self.state().get("attempts", 0) + 1
        running = {"status": "running", "attempts": self._attempt, "error": None}
        self._write_state({**details, **running, "started": _now(), "ended": None})

    def save(
        self, records: Sequence[Record], checkpoint: bytes | None, length: RunLength | None = None
    ) -> None:
        """Save the records so far, and a checkpoint taken at the last of them.

        `checkpoint` is None for a trial in a fleet: the fleet saves one checkpoint for all its
        trials. The checkpoint is written after the records, so no record before it can be missing.
        TensorBoard's events are written last, so a resumed trial only adds to them. The events are
        thinned if the `length` of the run is more than 1,000 records.
        """
        state = self._check_attempt()
        self._write_records(records)
        if checkpoint is not None:
            self.save_checkpoint(checkpoint)
        self._events.write(records, length, state=state)

    def save_checkpoint(self, checkpoint: bytes) -> None:
        """Save a checkpoint taken at a saved record."""
        (self._files / layout.CHECKPOINT).write_bytes(checkpoint)

    def finish(
        self,
        status: str,
        records: Sequence[Record],
        model: bytes | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Save the whole curve, mark the trial complete, and delete its checkpoint.

        `model`: a file of `lenet.trained`, kept until `delete_model`. `details`: values known only
        at the end of the trial; they replace those that `begin` wrote under the same names.
        """
        state = self._check_attempt()
        self._write_records(records)
        self._events.write(records, state=state, status=status)
        if model is not None:
            (self._files / layout.MODEL).write_bytes(model)
        self._mark(status, details=details)

    def adopt(
        self,
        status: str,
        records: Sequence[Record],
        details: Mapping[str, Any],
        model: bytes | None = None,
    ) -> None:
        """Save the whole curve of a trial that another run has trained.

        `details` as in `begin`, `model` as in `finish`.
        """
        self._files.make_folder()
        self._write_records(records)
        self._events.write(records, state=details, status=status)
        if model is not None:
            (self._files / layout.MODEL).write_bytes(model)
        self._write_state({"error": None, **details, "status": status})

    def mark(self, status: str, error: str | None = None) -> None:
        """Set the status of a trial that ends before its time: `stopped` or `failed`."""
        if records := self.records():
            self._events.write(records, state=self.state(), status=status)
        self._mark(status, error)

    def _mark(
        self, status: str, error: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        self._files.make_folder()
        ending = {"status": status, "error": error, "ended": _now()}
        self._write_state({**self.state(), **(details or {}), **ending})
        if status in COMPLETE:
            (self._files / layout.CHECKPOINT).delete()

    def note_logged(self, place: str) -> None:
        """Note that the trial, which is complete, has been logged at `place` of a tracker."""
        state = self.state()
        self._write_state({**state, "logged": [*state.get("logged", ()), place]})

    def state(self) -> dict[str, Any]:
        """Return status, attempts, host and settings; empty before the first attempt.

        Also empty if the file is damaged.
        """
        found = read_json(self._files / layout.TRIAL_STATE)
        return found if isinstance(found, dict) else {}

    def records(self) -> list[Record]:
        """Return the records so far. Those after the checkpoint will be trained again."""
        try:
            lines = (self._files / layout.TRIAL_RECORDS).read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            found = read_json(self._files / layout.OLD_TRIAL_RECORDS)
            return [Record(**row) for row in found] if isinstance(found, list) else []
        if lines and not lines[-1].endswith(b"\n"):  # its writer was killed
            lines.pop()
        try:
            return [Record(**json.loads(line)) for line in lines]
        except (ValueError, TypeError):
            return []

    def checkpoint(self) -> bytes | None:
        """Return the last checkpoint, or None if there is none."""
        try:
            return (self._files / layout.CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None

    def has_model(self) -> bool:
        """Return True if the trained model is kept."""
        return layout.MODEL in self.home.names()

    def read_model(self) -> bytes | None:
        """Return the file of the trained model, or None if it was not kept."""
        try:
            return (self._files / layout.MODEL).read_bytes()
        except FileNotFoundError:
            return None

    def delete_model(self) -> None:
        """Delete the trained model, if there is one."""
        (self._files / layout.MODEL).delete()

    @property
    def complete(self) -> bool:
        """Whether the trial need not be trained. A trial with damaged records is trained again."""
        return self.state().get("status") in COMPLETE and bool(self.records())

    @property
    def stopped(self) -> bool:
        """Whether a scheduler has stopped the trial."""
        return self.state().get("status") == "stopped"

    def save_timings(self, steps: NDArray[Any]) -> None:
        """Save the timings of all steps so far, an array of `STEP_TIMING`.

        The worker writes them with every checkpoint. As text, that would take as long as the steps.
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

    def _check_attempt(self) -> dict[str, Any]:
        """Return the state; raise OutOfReach if a later attempt has begun."""
        state = self.state()
        latest = state.get("attempts", 0)
        if self._attempt is not None and latest > self._attempt:
            raise OutOfReach(
                f"{self.home} is trained by another worker: this was attempt {self._attempt}, and "
                f"attempt {latest} has begun"
            )
        return state

    def _write_records(self, records: Sequence[Record]) -> None:
        """Append the new records, or write the whole file if this object has not written it yet."""
        known = len(self._written)
        file = self._files / layout.TRIAL_RECORDS
        if known and [record.step for record in records[:known]] == self._written:
            content = self._content + _lines(records[known:])
            file.extend_to(content, durable=True)
        else:
            content = _lines(records)
            file.write_bytes(content)
            (self._files / layout.OLD_TRIAL_RECORDS).delete()
        self._content = content
        self._written = [record.step for record in records]

    def _write_state(self, state: Mapping[str, Any]) -> None:
        write_json(self._files / layout.TRIAL_STATE, state)


def _lines(records: Sequence[Record]) -> bytes:
    return b"".join(json.dumps(record.to_dict()).encode() + b"\n" for record in records)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
