"""StepClock: where the time of each training step goes."""

from __future__ import annotations

import time

import torch

from lenet.records import PHASES


class StepClock:
    """Measures the phases of the steps of one worker.

    On a GPU, where Python runs ahead of the device, the marks are events in its queue: measuring
    makes nothing wait, and what a phase takes is what it takes there.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._marks: list[tuple[str, float | torch.cuda.Event]] = []
        self._ends: list[int] = []

    def begin(self) -> None:
        """Steps follow; what was before is of no phase."""
        self._mark("")

    def lap(self, phase: str) -> None:
        """What happened since the last mark was `phase`, one of `PHASES`."""
        self._mark(phase)

    def end_step(self) -> None:
        """The step is over; the rest of it was computation."""
        self._mark("compute")
        self._ends.append(len(self._marks))

    def read(self) -> list[list[float]]:
        """Seconds in each of `PHASES`, a row per step since the last reading; on a GPU, only
        once it has done all that it was given."""
        rows, first = [], 1
        for end in self._ends:
            row = dict.fromkeys(PHASES, 0.0)
            for i in range(first, end):
                phase, at = self._marks[i]
                if phase:
                    row[phase] += self._between(self._marks[i - 1][1], at)
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
    def _between(one: float | torch.cuda.Event, other: float | torch.cuda.Event) -> float:
        if isinstance(one, torch.cuda.Event) and isinstance(other, torch.cuda.Event):
            return one.elapsed_time(other) / 1e3
        assert isinstance(one, float)
        assert isinstance(other, float)
        return other - one
