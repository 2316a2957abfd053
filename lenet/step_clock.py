"""StepClock: seconds of each training step in data, computation and communication."""

from __future__ import annotations

import time

import torch

from lenet.records import PHASES


class StepClock:
    """Times the phases of one worker's training steps.

    On a GPU, Python runs ahead of the device. The marks are events in the device's queue. So timing
    does not make the CPU wait, and a phase is as long as it takes on the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._marks: list[tuple[str, float | torch.cuda.Event]] = []
        self._ends: list[int] = []

    def begin(self) -> None:
        """Start timing steps. The time before this call belongs to no phase."""
        self._mark("")

    def lap(self, phase: str) -> None:
        """Assign the time since the last mark to `phase`, one of `PHASES`."""
        self._mark(phase)

    def end_step(self) -> None:
        """End the step. The time since the last mark was computation."""
        self._mark("compute")
        self._ends.append(len(self._marks))

    def read(self) -> list[list[float]]:
        """Return the seconds of each of `PHASES`, one row per step since the last call.

        On a GPU, synchronize first: the events must have happened.
        """
        rows, first = [], 1
        for end in self._ends:
            row = dict.fromkeys(PHASES, 0.0)
            for i in range(first, end):
                phase, time_of_mark = self._marks[i]
                if phase:
                    row[phase] += self._seconds_between(self._marks[i - 1][1], time_of_mark)
            rows.append([row[phase] for phase in PHASES])
            first = end
        self._marks, self._ends = [], []
        return rows

    def _mark(self, phase: str) -> None:
        if not self._on_gpu:
            self._marks.append((phase, time.perf_counter()))
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._marks.append((phase, event))

    @staticmethod
    def _seconds_between(start: float | torch.cuda.Event, end: float | torch.cuda.Event) -> float:
        if isinstance(start, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
            return start.elapsed_time(end) / 1e3
        assert isinstance(start, float)
        assert isinstance(end, float)
        return end - start


class _NoClock(StepClock):
    """Times nothing."""

    def begin(self) -> None: ...

    def lap(self, phase: str) -> None: ...

    def end_step(self) -> None: ...


NO_CLOCK = _NoClock(torch.device("cpu"))
"""The clock of a run whose steps are not timed."""
