"""The file of a fleet in its run's folder: one checkpoint for all its trials."""

from __future__ import annotations

from study.runs import layout
from study.runs.retrying import RetryingPath
from study.runs.storage import Location


class FleetCheckpoint:
    """The checkpoint file of one fleet, replaced whole: all its trials are at the same step."""

    def __init__(self, home: Location, fleet: str) -> None:
        """Find the file of `fleet` in the run at `home`."""
        self._folder = RetryingPath(home / layout.FLEETS)
        self._file = self._folder / f"{fleet}.pt"

    def read(self) -> bytes | None:
        """Return the last checkpoint, or None if there is none."""
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Replace the checkpoint."""
        self._folder.make_folder()
        self._file.write_bytes(content)

    def delete(self) -> None:
        """Delete the checkpoint, if there is one."""
        self._file.delete()
