"""One trial: one config trained once, as Ray Tune runs it in a worker process."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Sequence
from typing import Any

import torch
from ray import tune

from lenet import trained
from lenet.config import ConfigError, TrainConfig
from lenet.devices import describe_device, training_device
from lenet.records import Record, last_finite
from lenet.training import Run, train
from search_spaces.objective import know_directions, maximized, worst_value
from study.cluster.checkpoint import as_bytes, restore
from study.cluster.datasets import Shared, shared_dataset
from study.runs.storage import OutOfReach, access_problem, import_problem, parse_location
from study.runs.trial_folder import TrialFolder


class Trial(tune.Trainable):
    """A Tune trainable that trains one config after another in one worker process.

    Tune's config of a trial is {"trial": {"name": ..., "settings": {...}}}. A trial continues from
    whatever its folder holds, so a retry after a crash and a resumed run take the same code path.
    """

    def setup(  # type: ignore[override]
        self,
        config: dict[str, Any],
        *,
        datasets: dict[str, Shared],
        run_folder: str,
        threads: int,
        use_gpu: bool,
        objectives: Sequence[str],
        seconds_between_reports: float,
        keep_models: str,
    ) -> None:
        torch.set_num_threads(threads)
        self._threads = threads
        self._device = training_device(use_gpu)
        # Ray may grant a GPU that torch cannot use, for example because the driver is too old.
        self._lacks_gpu = platform.node() if use_gpu and self._device.type != "cuda" else ""
        self._datasets = {
            name: shared_dataset(shared).to(self._device) for name, shared in datasets.items()
        }
        self._home = parse_location(run_folder)
        self._objectives = objectives
        self._seconds_between_reports = seconds_between_reports
        self._seconds_to_save = 0.0
        self._keep_models = keep_models
        self._first: str = config["trial"]["name"]
        self._next_trial: dict[str, Any] | None = config["trial"]
        self._run: Run | None

    def __repr__(self) -> str:
        """Return the name of this worker in Ray's dashboard and state API.

        Ray asks once, when the worker has its first trial.
        """
        return f"worker from {self._first} on"

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        # The trial begins in its first `step`, because Tune retries a failure there but not here.
        self._next_trial = new_config["trial"]
        return True

    def _begin(self, trial: dict[str, Any]) -> None:
        self._check_access()
        self._name: str = trial["name"]
        settings = TrainConfig.from_dict(trial["settings"])
        know_directions(settings.metrics or ())
        self._folder = TrialFolder.in_run(self._home, self._name)
        if self._folder.complete:  # an earlier worker died before it could report this
            self._run, self._records = None, self._folder.records()
            self._begun_at = self._records[-1].step
            return
        self._folder.begin(self._details(self._name, settings))
        self._run = self._make_run(settings)
        self._records = restore(self._run, self._folder, log)
        self._begun_at = self._run.step
        self._stream = train(self._run)
        log(f"{self._name} begins at step {self._run.step}")

    def _check_access(self) -> None:
        """Raise OutOfReach if this worker cannot use the run's folder."""
        if (problem := access_problem(self._home)) is not None:
            raise OutOfReach(problem)

    def _details(self, name: str, settings: TrainConfig) -> dict[str, Any]:
        """Return the details for `TrialFolder.begin`: where a trial runs, and its settings."""
        return {
            "name": name,
            "device": describe_device(self._device),
            "threads": self._threads,
            "host": platform.node(),
            "pid": os.getpid(),
            "settings": settings.to_dict(),
        }

    def _make_run(self, settings: TrainConfig) -> Run:
        """Create the run of a trial. Raises: OutOfReach if its model cannot be imported here."""
        try:
            return Run(settings, self._datasets[settings.dataset], self._device)
        except ConfigError as error:
            raise OutOfReach(import_problem(error)) from error

    def step(self) -> dict[str, Any]:
        if self._next_trial is not None:
            self._begin(self._next_trial)
            self._next_trial = None
        run = self._run
        if run is not None:
            self._advance(run)
        return self._report(self._records, run, self._begun_at)

    def _report(self, records: Sequence[Record], run: Run | None, begun_at: int) -> dict[str, Any]:
        """Return a trial's report to the driver; `run` is None if it was complete already."""
        last = records[-1]
        ended = run is None or run.finished
        return {
            "done": ended,
            "epoch": last.epoch,
            "step": last.step,
            "begun_at": begun_at,
            "total_steps": last.step if run is None else run.length.total_steps,
            "ended_by_itself": ended,
            **{name: comparable(records, name) for name in self._objectives},
            "evaluated": not math.isnan(last_finite(records, self._objectives[0])),
            "diverged": last.diverged,
            "lacks_gpu": self._lacks_gpu,
        }

    def _advance(self, run: Run) -> None:
        """Train until the next report is due, then save records, checkpoint and events."""
        started = time.monotonic()
        while not run.finished:
            self._records.append(next(self._stream))
            if time.monotonic() - started > self._seconds_until_report():
                break
        log_progress(self._name, self._records, self._objectives[0])
        started = time.monotonic()
        if run.finished:
            keep_model = self._keep_models != "none"
            self._finish(self._folder, run, self._records, keep_model=keep_model)
        else:
            self._folder.save(self._records, as_bytes(run.state_dict()), run.length)
        self._seconds_to_save = time.monotonic() - started

    def _finish(
        self, folder: TrialFolder, run: Run, records: Sequence[Record], *, keep_model: bool
    ) -> None:
        """Save the whole curve of a run that has ended and, unless it diverged, its model."""
        diverged = records[-1].diverged
        model = trained.as_bytes(run) if keep_model and not diverged else None
        folder.finish("diverged" if diverged else "finished", records, model)

    def _seconds_until_report(self) -> float:
        if not self._seconds_between_reports:  # a scheduler must see every record
            return 0.0
        # A long curve takes long to write: spend at most a twentieth of the time on it.
        return max(self._seconds_between_reports, 20 * self._seconds_to_save)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: `step` writes checkpoints into the trial's own folder."""


def comparable(records: Sequence[Record], objective: str) -> float:
    """Return the last value of an objective, or the worst possible if there is none.

    Schedulers cannot compare NaN. The worst value does not depend on the range of a metric, of
    which a worker knows only the direction. A resumed driver must find the value that the worker
    has reported.
    """
    value = last_finite(records, objective)
    if records[-1].diverged or math.isnan(value):
        return worst_value(objective, is_maximized=maximized(objective), of_range=False)
    return value


def log(line: str) -> None:
    """Write to the worker's log, which the Ray dashboard shows under its actor."""
    print(line, flush=True)


def log_progress(name: str, records: Sequence[Record], objective: str) -> None:
    """Log the last record of a trial."""
    last = records[-1]
    log(
        f"{name} epoch {last.epoch:g} training loss {last.train_loss:.4g} "
        f"{objective} {comparable(records, objective):.4g}"
    )
