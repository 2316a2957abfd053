"""What one sees while trials run: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.exceptions import RayActorError
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from search_spaces.study import maximized
from study.analysis.wording import amount, label
from study.cluster.estimate import clock

_SECONDS_BETWEEN_LINES = 15.0
_MOST_RUNNING_SHOWN = 8


def error_of(trial: Any) -> BaseException:
    """What a trial of Tune failed with last."""
    if trial.pickled_error_file is None:  # an error of Tune's own
        return RuntimeError("Ray Tune gave it up; see the driver's log")
    # `get_pickled_error` looks where Tune keeps what it has not brought there yet.
    error: BaseException = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error


class ProgressCallback(tune.Callback):
    """Follows the trials of one run: done, running, total, time left, best so far.

    `expected_seconds` is each trial's estimated length, by name; time left is the work left
    at the speed seen so far. `already_done` trials are complete from before, `best`
    among them. `to_come` more trials have no name yet, and are expected to take
    `typical_seconds` each.
    """

    def __init__(
        self,
        console: Console,
        expected_seconds: Mapping[str, float],
        *,
        objective: str,
        best: tuple[str, float] | None = None,
        already_done: int,
        to_come: int = 0,
        typical_seconds: float = 0.0,
    ) -> None:
        self._console = console
        self._expected = dict(expected_seconds)
        self._to_come = to_come
        self._typical_seconds = typical_seconds
        self._objective = objective
        self._already_done = already_done
        self._best = best
        self._work_done: dict[str, float] = {}
        self._work_left = dict(expected_seconds)
        self._running: dict[str, str] = {}
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._lack_gpus: set[str] = set()
        self._first_result: float | None = None
        self._work_before_first = 0.0
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
        )
        self._total = already_done + len(expected_seconds) + to_come
        self._task = self._bar.add_task("trials", total=self._total, completed=already_done)
        self._live = (
            Live(self._panel(), console=console, refresh_per_second=4, transient=True)
            if console.is_terminal
            else None
        )

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that this project never does,
        and a terminal cannot be pickled."""
        return {}

    def __enter__(self) -> ProgressCallback:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def on_step_begin(self, iteration: int, trials: list[Any], **_: Any) -> None:
        """Say how it is while nothing happens, too: trials may wait for machines for long."""
        if not self._live:
            self._show()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        name = str(trial)
        if name not in self._expected:
            self._to_come -= 1
            self._expected[name] = self._work_left[name] = self._typical_seconds
        self._running[name] = "starting"
        self._show()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        name = str(trial)
        if (host := result["lacks_gpu"]) and host not in self._lack_gpus:
            self._lack_gpus.add(host)
            self._console.print(
                f"Note: trials on {host} were granted a GPU, but torch sees none there: they train "
                "on its CPU (is its NVIDIA driver 580 or newer?)",
                markup=False,
            )
        total, begun_at = result["total_steps"], result["begun_at"]
        self._work_done[name] = self._expected[name] * (result["step"] - begun_at) / total
        self._work_left[name] = self._expected[name] * (1 - result["step"] / total)
        if self._first_result is None:
            # Start-up is over; it must not be taken for the speed of training.
            self._first_result = time.monotonic()
            self._work_before_first = self._work_done[name]
        reached = result[self._objective]
        self._running[name] = f"epoch {result['epoch']:g}"
        if result["evaluated"]:
            self._running[name] += f", {self._said(reached)}"
            if self._best is None or self._is_better(reached, self._best[1]):
                self._best = (name, reached)
        self._show()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end(str(trial), self._done)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end(str(trial), self._failed)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Said where Tune would log a stack."""
        error = error_of(trial)
        died = isinstance(error, RayActorError)
        reason = "its worker died" if died else str(error).strip().splitlines()[-1]
        self._console.print(f"{trial}: {reason}; it is tried once more", markup=False)

    def _end(self, name: str, among: set[str]) -> None:
        among.add(name)
        self._running.pop(name, None)
        self._work_left[name] = 0.0  # also where a scheduler or an error ended it early
        self._bar.update(self._task, completed=self._ended)
        self._show()

    @property
    def _ended(self) -> int:
        return self._already_done + len(self._done) + len(self._failed)

    def _seconds_left(self) -> float | None:
        if self._first_result is None:
            return None
        elapsed = time.monotonic() - self._first_result
        work = sum(self._work_done.values()) - self._work_before_first
        if elapsed < 2 or work <= 0:
            return None
        left = sum(self._work_left.values()) + self._to_come * self._typical_seconds
        return left / (work / elapsed)

    def _line(self) -> str:
        left = self._seconds_left()
        parts = [
            f"{self._ended} of {self._total} trials done",
            f"{len(self._running)} running",
            f"{clock(left)} left" if left is not None else "time left not known yet",
        ]
        if self._failed:
            parts.insert(1, f"{len(self._failed)} failed")
        if self._best:
            name, reached = self._best
            parts.append(f"best so far {self._said(reached)} ({name})")
        return ", ".join(parts)

    def _is_better(self, one: float, other: float) -> bool:
        return one > other if maximized(self._objective) else one < other

    def _said(self, reached: float) -> str:
        unit = " %" if self._objective.endswith("_accuracy") else ""
        return f"{amount(self._objective, reached)}{unit} {label(self._objective)}"

    def _panel(self) -> Group:
        shown = list(self._running.items())[:_MOST_RUNNING_SHOWN]
        lines = [Text(f"  {name}: {doing}", style="dim") for name, doing in shown]
        more = len(self._running) - len(shown)
        if more:
            lines.append(Text(f"  and {more} more", style="dim"))
        return Group(self._bar, Text(self._line()), *lines)

    def _show(self) -> None:
        if self._live:
            self._live.update(self._panel())
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._console.print(self._line())
