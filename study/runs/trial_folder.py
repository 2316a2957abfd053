"""What one trial leaves in its run's folder (`storage` has the layout)."""

from __future__ import annotations

import contextlib
import datetime
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet.records import Record
from study.runs.storage import (
    OutOfReach,
    Place,
    keep,
    keep_json,
    patiently,
    read_json,
    reason,
    replace_file,
)

COMPLETE = frozenset({"finished", "diverged", "stopped"})
"""The statuses after which a trial is never run again. `stopped`: by a scheduler."""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class TrialFolder:
    """What one trial leaves: read and written by the worker that trains it.

    A worker may be cut off or asleep while another goes on with its trial. What it writes when it
    is back would be older: `save`, `finish` and `keep_timings` raise `OutOfReach` once another
    attempt has begun.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self._events: Path | None = None
        self._attempt: int | None = None

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Note that the trial runs, with `facts` on where and what."""
        self._make()
        if isinstance(self.path, Path):
            for leftover in self.path.glob(".*.*"):  # of a write that was killed
                leftover.unlink()
        self._attempt = self.state().get("attempts", 0) + 1
        running = {"status": "running", "attempts": self._attempt, "error": None}
        self._write_state({**facts, **running, "started": _now(), "ended": None})

    def save(self, records: Sequence[Record], checkpoint: bytes) -> None:
        """Keep the records so far and a checkpoint taken at the last of them.

        The checkpoint is written last: whatever interrupts, no record up to it is missing.
        """
        self._check_attempt()
        self._write_records(records)
        keep(self.path / "checkpoint.pt", checkpoint)

    def saved_checkpoint(self) -> bytes | None:
        """The last checkpoint, or None if there is none."""
        path = self.path / "checkpoint.pt"
        try:
            return patiently(path.read_bytes, f"read {path}")
        except FileNotFoundError:
            return None

    def finish(self, status: str, records: Sequence[Record]) -> None:
        """Keep the whole curve; the trial is complete and its checkpoint not needed."""
        self._check_attempt()
        self._write_records(records)
        self.mark(status)

    def adopt(self, status: str, records: Sequence[Record], facts: Mapping[str, Any]) -> None:
        """Keep the whole curve of a trial that another run has trained."""
        self._make()
        self._write_records(records)
        self._write_state({"error": None, **facts, "status": status})

    def keep_timings(self, steps: NDArray[Any]) -> None:
        """Keep a table of the steps so far, (rows,) with the named columns of `timings`. It is
        written with every checkpoint, so as bytes: text would take as long as the steps."""
        self._check_attempt()
        written = io.BytesIO()
        np.save(written, steps, allow_pickle=False)
        keep(self.path / "timings.npy", written.getvalue())

    def timings(self) -> list[dict[str, float]]:
        """A row per worker and step: `rank`, `step`, `begun_at` (the step from which the attempt
        that took it went on: the first ones behind it are warm-up) and `NAME_seconds` of each of
        `lenet.records.PHASES`. No rows if they are missing or damaged."""
        path = self.path / "timings.npy"
        try:
            read = patiently(path.read_bytes, f"read {path}")
            steps = np.load(io.BytesIO(read), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            return []
        return [dict(zip(steps.dtype.names, row, strict=True)) for row in steps.tolist()]

    def mark(self, status: str, error: str | None = None) -> None:
        """Set the status (one of `COMPLETE`, or `failed`)."""
        self._make()
        self._write_state({**self.state(), "status": status, "error": error, "ended": _now()})
        if status in COMPLETE:
            with contextlib.suppress(FileNotFoundError):
                path = self.path / "checkpoint.pt"
                patiently(path.unlink, f"delete {path}")

    @property
    def events(self) -> Path:
        """Where TensorBoard's events are written, from where `keep_events` brings them here: its
        writer does not survive a disk that is full."""
        if self._events is None:
            self._events = Path(tempfile.mkdtemp(prefix="study-events-"))
        return self._events

    def keep_events(self) -> None:
        """Keep what was written to `events` so far. They are for looking at: where they cannot be
        kept, it is said, and nothing fails."""
        for path in self._events.iterdir() if self._events else ():
            try:
                self._bring(path)
            except OSError as error:
                print(f"cannot write {self.path / path.name} ({reason(error)})", flush=True)

    def _bring(self, events: Path) -> None:
        kept = self.path / events.name
        if not isinstance(kept, Path):
            replace_file(kept, events.read_bytes())
            return
        # Appended, so that a TensorBoard that has the file open sees it grow.
        with events.open("rb") as written, kept.open("ab") as opened:
            written.seek(opened.tell())
            shutil.copyfileobj(written, opened)

    def close_events(self) -> None:
        """There will be no more."""
        if self._events is not None:
            shutil.rmtree(self._events)
            self._events = None

    def _make(self) -> None:
        if isinstance(path := self.path, Path):
            patiently(lambda: path.mkdir(parents=True, exist_ok=True), f"write {path}")

    def state(self) -> dict[str, Any]:
        """What `trial.json` says; empty before the first attempt, or if it is damaged."""
        found = read_json(self.path / "trial.json")
        return found if isinstance(found, dict) else {}

    def records(self) -> list[Record]:
        """The records so far. Behind the checkpoint's step they will be trained again."""
        found = read_json(self.path / "records.json")
        return [Record(**row) for row in found] if isinstance(found, list) else []

    @property
    def complete(self) -> bool:
        """Whether it need not be trained any more: damaged records are trained again."""
        return self.state().get("status") in COMPLETE and bool(self.records())

    def _check_attempt(self) -> None:
        begun = self.state().get("attempts", 0)
        if self._attempt is not None and begun > self._attempt:
            raise OutOfReach(
                f"{self.path} is trained by another: this was attempt {self._attempt}, and attempt "
                f"{begun} has begun"
            )

    def _write_records(self, records: Sequence[Record]) -> None:
        keep_json(self.path / "records.json", [record.to_dict() for record in records])

    def _write_state(self, state: Mapping[str, Any]) -> None:
        keep_json(self.path / "trial.json", state)
