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
from tensorboardX import SummaryWriter

from lenet.config import ConfigError, TrainConfig
from lenet.devices import describe_device, training_device
from lenet.records import Record, last_finite
from lenet.training import Run, train
from search_spaces.study import maximized
from study.cluster.checkpoint import as_bytes, restore
from study.cluster.datasets import Shared, shared_dataset
from study.runs.storage import OutOfReach, access_problem, import_problem, parse_location
from study.runs.trial_folder import TrialFolder


class Trial(tune.Trainable):
    """Trains one config after another in one worker process.

    Tune's config of a trial is {"trial": {"name": ..., "settings": {...}}}. A trial continues from
    whatever its folder holds, so a retry after a crash and a resumed run are the same code.
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
        self._writer: SummaryWriter | None = None
        self._next_trial: dict[str, Any] | None = config["trial"]
        self._run: Run | None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        # The trial begins in its first `step`, because Tune retries a failure there but not here.
        self._next_trial = new_config["trial"]
        return True

    def _begin(self, trial: dict[str, Any]) -> None:
        if (problem := access_problem(self._home)) is not None:
            raise OutOfReach(problem)
        self._name: str = trial["name"]
        settings = TrainConfig.from_dict(trial["settings"])
        self._folder = TrialFolder.in_run(self._home, self._name)
        if self._folder.complete:  # an earlier worker died before it could report this
            self._run, self._records = None, self._folder.records()
            self._begun_at = self._records[-1].step
            return
        self._folder.begin(
            {
                "name": self._name,
                "device": describe_device(self._device),
                "threads": self._threads,
                "host": platform.node(),
                "pid": os.getpid(),
                "settings": settings.to_dict(),
            }
        )
        try:
            self._run = Run(settings, self._datasets[settings.dataset], self._device)
        except ConfigError as error:
            raise OutOfReach(import_problem(error)) from error
        self._records = restore(self._run, self._folder, _log)
        self._begun_at = self._run.step
        self._stream = train(self._run)
        # The records after the checkpoint are written again: TensorBoard drops the first ones.
        self._writer = SummaryWriter(
            str(self._folder.events),
            purge_step=self._run.step + 1,
            filename_suffix=f".{os.getpid()}",  # each attempt writes to a file of its own
        )
        _log(f"{self._name} begins at step {self._run.step}")

    def step(self) -> dict[str, Any]:
        if self._next_trial is not None:
            self._close_writer()
            self._begin(self._next_trial)
            self._next_trial = None
        run = self._run
        if run is not None:
            self._advance(run)
        last = self._records[-1]
        ended = run is None or run.finished
        return {
            "done": ended,
            "epoch": last.epoch,
            "step": last.step,
            "begun_at": self._begun_at,
            "total_steps": last.step if run is None else run.length.total_steps,
            "ended_by_itself": ended,
            **{name: self._comparable(name) for name in self._objectives},
            "evaluated": not math.isnan(last_finite(self._records, self._objectives[0])),
            "diverged": last.diverged,
            "lacks_gpu": self._lacks_gpu,
        }

    def _advance(self, run: Run) -> None:
        """Train until the next report is due, then write records, events and a checkpoint."""
        assert self._writer is not None
        started = time.monotonic()
        while not run.finished:
            record = next(self._stream)
            self._records.append(record)
            _write_events(self._writer, record)
            if time.monotonic() - started > self._seconds_until_report():
                break
        last, objective = self._records[-1], self._objectives[0]
        self._writer.flush()
        _log(
            f"{self._name} epoch {last.epoch:g} training loss {last.train_loss:.4g} "
            f"{objective} {self._comparable(objective):.4g}"
        )
        started = time.monotonic()
        self._folder.save_events()
        if run.finished:
            self._folder.finish("diverged" if last.diverged else "finished", self._records)
        else:
            self._folder.save(self._records, as_bytes(run.state_dict()))
        self._seconds_to_save = time.monotonic() - started

    def _seconds_until_report(self) -> float:
        if not self._seconds_between_reports:  # a scheduler must see every record
            return 0.0
        # A long curve takes long to write: spend at most a twentieth of the time on it.
        return max(self._seconds_between_reports, 20 * self._seconds_to_save)

    def _comparable(self, objective: str) -> float:
        """Return the last value of an objective, or the worst possible if there is none.

        Schedulers cannot compare NaN.
        """
        value = last_finite(self._records, objective)
        if self._records[-1].diverged or math.isnan(value):
            return 0.0 if maximized(objective) else math.inf
        return value

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: `step` writes checkpoints into the trial's own folder."""

    def cleanup(self) -> None:
        self._close_writer()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._folder.close_events()


def _log(line: str) -> None:
    """Write to the worker's log, which the Ray dashboard shows under its actor."""
    print(line, flush=True)


def _write_events(writer: SummaryWriter, record: Record) -> None:
    row = record.to_dict()
    for name, value in record.observed.items():
        writer.add_scalar(f"observed/{name}", value, record.step)
    for quantity in ("loss", "accuracy"):
        for split in ("train", "validation", "test"):
            value = row[f"{split}_{quantity}"]
            if not math.isnan(value):
                writer.add_scalar(f"{quantity}/{split}", value, record.step)
    writer.add_scalar("lr", record.lr, record.step)
    writer.add_scalar("speed/samples_per_second", record.samples_per_second, record.step)
