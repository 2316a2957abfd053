"""A watch over a running launch: what it waits for, and whether it makes progress."""

from __future__ import annotations

import time

from study.analysis.wording import format_duration, pluralize
from study.interruption import interrupt
from study.runs.run_folder import RunFolder
from study.scaling.plan import Launch


class Watch:
    """A watch that describes a launch, and interrupts this process if the launch hangs.

    A launch hangs if no point begins or ends within `limit` seconds. This can happen without an
    error, for example if its workers cannot reach each other.
    """

    def __init__(self, launch: Launch, folder: RunFolder, limit: float) -> None:
        self._launch = launch
        self._trials = [folder.trial(point.name) for point in launch.points]
        self._limit = limit
        self._before = self._seen = self._states()
        self._changed_at = time.monotonic()
        self.verdict: str | None = None
        """why the launch was interrupted, None if it was not"""

    def look(self) -> str:
        """Return what the launch is doing. Interrupt this process if the launch hangs."""
        try:
            states = self._states()
        except OSError as error:  # workers retry, and so does the next look
            return f"cannot read the run's folder: {error}"
        if states != self._seen:
            self._seen, self._changed_at = states, time.monotonic()
        description = self._describe()
        if time.monotonic() - self._changed_at > self._limit and self.verdict is None:
            self.verdict = f"no progress for {format_duration(self._limit)} while {description}"
            interrupt()
        return description

    def _states(self) -> list[tuple[object, object]]:
        # Not the records: reading a long curve would take CPU time from workers that are timed.
        states = (trial.state() for trial in self._trials)
        return [(state.get("status"), state.get("attempts")) for state in states]

    def _describe(self) -> str:
        if self._seen == self._before:
            return f"waiting for {pluralize(self._launch.workers, 'worker')} to start"
        complete = sum(status != "running" for status, _ in self._seen)
        points = pluralize(len(self._seen), "run")
        return f"training, {complete} of {points} ended"
