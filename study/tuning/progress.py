"""Progress of the trials: a live panel on a terminal, an occasional line elsewhere."""

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

from search_spaces.objective import maximized
from study.analysis.wording import format_duration, format_measurement, label
from study.terminal import print_note

_SECONDS_BETWEEN_LINES = 15.0
_MAX_RUNNING_SHOWN = 8
_PRIOR_SECONDS = 60.0
"""Weight of the expected speed, in seconds of observation."""


def error_of(trial: Any) -> BaseException:
    """Return the last error of one of Tune's trials."""
    if trial.pickled_error_file is None:  # an error of Tune itself
        return RuntimeError("Ray Tune gave up on the trial; see the driver's log")
    # Not `get_pickled_error`: it looks for the copy in Tune's storage, which Tune makes later.
    error: BaseException = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error


def describe_error(error: BaseException) -> str:
    """Return type and message of an error, without the terminal colors of Ray's traceback."""
    cause = getattr(error, "cause", None) or error
    lines = Text.from_ansi(str(cause)).plain.strip().splitlines()
    message = "\n".join(line.rstrip() for line in lines if line.strip())
    return f"{type(cause).__name__}: {message}" if message else type(cause).__name__


class ProgressCallback(tune.Callback):
    """A Tune callback that shows complete and running trials, the time left, and the best trial.

    `expected_seconds` holds the estimated duration of each trial by name; `at_once` trials or
    fleets are trained at the same time. The time left is the remaining work divided by the speed.
    The speed averages the observed with the expected one; the expectation weighs as much as a
    minute of observation. Earlier sessions finished `complete` trials, with `best` among them.
    `unnamed` more trials will be named later and are expected to take `typical_seconds` each.
    """

    def __init__(
        self,
        console: Console,
        expected_seconds: Mapping[str, float],
        *,
        objective: str,
        best: tuple[str, float] | None = None,
        complete: int,
        unnamed: int = 0,
        typical_seconds: float = 0.0,
        at_once: int,
    ) -> None:
        self._console = console
        self._expected = dict(expected_seconds)
        self._unnamed = unnamed
        self._typical_seconds = typical_seconds
        self._objective = objective
        self._complete_before = complete
        self._best = best
        self._work_done: dict[str, float] = {}
        self._work_left = dict(expected_seconds)
        self._at_once = at_once
        self._running: dict[str, str] = {}
        self._complete: set[str] = set()
        self._failed: set[str] = set()
        self._hosts_without_gpu: set[str] = set()
        self._first_result: float | None = None
        self._first_reports: set[str] = set()
        self._untimed_work = 0.0
        # Of each trial: the step at which its present attempt began, and the work done by then.
        self._attempts: dict[str, tuple[int, float]] = {}
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
        )
        self._total = complete + len(expected_seconds) + unnamed
        self._task = self._bar.add_task("trials", total=self._total, completed=complete)
        self._live = (
            Live(self._panel(), console=console, refresh_per_second=4, transient=True)
            if console.is_terminal
            else None
        )

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune pickles callbacks for a restore that this project never makes,
        and a terminal cannot be pickled."""
        return {}

    def __enter__(self) -> ProgressCallback:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line)

    def on_step_begin(self, iteration: int, trials: list[Any], **_: Any) -> None:
        """Print a line now and then even if nothing happens: trials may wait long for machines."""
        if not self._live:
            self._show()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        name = str(trial)
        if name not in self._expected:
            self._unnamed -= 1
            self._expected[name] = self._work_left[name] = self._typical_seconds
        self._running[name] = "starting"
        self._show()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        name = str(trial)
        self._note_missing_gpu(result["lacks_gpu"])
        total, begun_at = result["total_steps"], result["begun_at"]
        if self._attempts.get(name, (None,))[0] != begun_at:
            self._attempts[name] = begun_at, self._work_done.get(name, 0.0)
        done = self._expected[name] * (result["step"] - begun_at) / total
        self._work_done[name] = self._attempts[name][1] + done
        self._work_left[name] = self._expected[name] * (1 - result["step"] / total)
        if self._first_result is None:
            # Start the clock here, or start-up would count as slow training. Work that running
            # trials did before this moment must then not count as observed speed.
            self._first_result = time.monotonic()
            self._first_reports = {name, *self._running}
        if name in self._first_reports:
            self._first_reports.remove(name)
            self._untimed_work += self._work_done[name]
        value = result[self._objective]
        self._running[name] = f"epoch {result['epoch']:g}"
        if result["evaluated"]:
            self._running[name] += f", {self._text(value)}"
            if self._best is None or self._is_better(value, self._best[1]):
                self._best = (name, value)
        self._show()

    def _note_missing_gpu(self, host: str) -> None:
        if host and host not in self._hosts_without_gpu:
            self._hosts_without_gpu.add(host)
            print_note(
                self._console,
                f"Ray granted trials on {host} a GPU, but torch sees none there. They train on its "
                "CPU. Check that its NVIDIA driver is 580 or newer.",
            )

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end(str(trial), self._complete)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end(str(trial), self._failed)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Print one line where Tune would log a stack trace."""
        error = error_of(trial)
        died = isinstance(error, RayActorError)
        reason = "its worker died" if died else describe_error(error).splitlines()[0]
        self._console.print(f"{trial}: {reason}; retrying once")

    def _end(self, name: str, ended: set[str]) -> None:
        ended.add(name)
        self._running.pop(name, None)
        self._work_left[name] = 0.0  # even if a scheduler or an error ended it early
        self._bar.update(self._task, completed=self._ended)
        self._show()

    @property
    def _ended(self) -> int:
        return self._complete_before + len(self._complete) + len(self._failed)

    @property
    def _work_ahead(self) -> float:
        """Expected seconds of the remaining work, if trained one trial after another."""
        return sum(self._work_left.values()) + self._unnamed * self._typical_seconds

    def _seconds_left(self) -> float:
        elapsed = work = 0.0
        if self._first_result is not None:
            elapsed = time.monotonic() - self._first_result
            work = max(0.0, sum(self._work_done.values()) - self._untimed_work)
        # The first records say little about the speed: they may come at once or far apart.
        expected = _PRIOR_SECONDS * self._at_once
        return self._work_ahead * (elapsed + _PRIOR_SECONDS) / (work + expected)

    def _line(self) -> str:
        parts = [f"{self._ended} of {self._total} trials done"]
        if self._failed:
            parts.append(f"{len(self._failed)} failed")
        parts.append(f"{len(self._running)} running")
        parts.append(f"{format_duration(self._seconds_left())} left")
        if self._best:
            name, value = self._best
            parts.append(f"best so far {self._text(value)} ({name})")
        return ", ".join(parts)

    def _is_better(self, value: float, other: float) -> bool:
        return value > other if maximized(self._objective) else value < other

    def _text(self, value: float) -> str:
        unit = " %" if self._objective.endswith("_accuracy") else ""
        return f"{format_measurement(self._objective, value)}{unit} {label(self._objective)}"

    def _panel(self) -> Group:
        shown = list(self._running.items())[:_MAX_RUNNING_SHOWN]
        lines = [Text(f"  {name}: {status}", style="dim") for name, status in shown]
        if hidden := len(self._running) - len(shown):
            lines.append(Text(f"  and {hidden} more", style="dim"))
        return Group(self._bar, Text(self._line()), *lines)

    def _show(self) -> None:
        if self._live:
            self._live.update(self._panel())
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._console.print(self._line())
