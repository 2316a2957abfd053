"""A trial: one config trained once, as Ray Tune runs it."""

from __future__ import annotations

import math
import os
import platform
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from ray import tune
from tensorboardX import SummaryWriter

from lenet.config import ConfigError, TrainConfig
from lenet.datasets import Dataset, Samples
from lenet.devices import describe_device, training_device
from lenet.records import Record
from lenet.training import Run, train
from search_spaces.study import maximized
from study.cluster.checkpoint import as_bytes, restore
from study.runs.storage import OutOfReach, not_here, only_here, place_of
from study.runs.trial_folder import TrialFolder

Shared = dict[str, Any]


def share(dataset: Dataset) -> Shared:
    """A data set as Ray's object store holds it: numpy arrays, which every process of a
    node maps into its memory without a copy (torch tensors would be copied)."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "classes": dataset.classes,
        "arrays": [
            part.numpy()
            for samples in (dataset.train, dataset.test)
            for part in (samples.inputs, samples.targets)
        ],
    }


def shared_dataset(shared: Shared) -> Dataset:
    """The data set of `share`, on the memory that it was given."""
    with warnings.catch_warnings():
        # The arrays are read-only and torch cannot say so of a tensor; nothing writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensors = [torch.from_numpy(np.asarray(array)) for array in shared["arrays"]]
    return Dataset(
        shared["name"],
        shared["source"],
        Samples(*tensors[:2]),
        Samples(*tensors[2:]),
        shared["classes"],
    )


class Trial(tune.Trainable):
    """Trains one planned config after the other in one worker process.

    Tune's config of a trial is {"trial": {"name": ..., "settings": {...}}}. What the trial
    finds in its folder it goes on from, so a retry after a crash and a resumed run are the
    same thing.
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
        # A machine whose driver is too old for torch, say: its GPU is granted and not used.
        self._lacks_gpu = platform.node() if use_gpu and self._device.type != "cuda" else ""
        self._datasets = {
            name: shared_dataset(shared).to(self._device) for name, shared in datasets.items()
        }
        self._home = place_of(run_folder)
        self._objectives = objectives
        self._seconds_between_reports = seconds_between_reports
        self._seconds_to_save = 0.0
        self._writer: SummaryWriter | None = None
        self._next: dict[str, Any] | None = config["trial"]
        self._run: Run | None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        # The trial begins with its first step: Tune retries a failure there, not here.
        self._next = new_config["trial"]
        return True

    def _begin(self, trial: dict[str, Any]) -> None:
        if (why := not_here(self._home)) is not None:
            raise OutOfReach(why)
        self._name: str = trial["name"]
        settings = TrainConfig.from_dict(trial["settings"])
        self._folder = TrialFolder(self._home / "trials" / self._name)
        if self._folder.complete:  # its worker died before it could say so
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
            raise OutOfReach(only_here(error)) from error
        self._records = restore(self._run, self._folder, _say)
        self._begun_at = self._run.step
        self._stream = train(self._run)
        # Events behind the checkpoint come again: TensorBoard forgets the first ones.
        self._writer = SummaryWriter(
            str(self._folder.events),
            purge_step=self._run.step + 1,
            filename_suffix=f".{os.getpid()}",  # no two attempts write to one file
        )
        _say(f"{self._name} begins at step {self._run.step}")

    def step(self) -> dict[str, Any]:
        if self._next is not None:
            self._close()
            self._begin(self._next)
            self._next = None
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
            "total_steps": last.step if run is None else run.total_steps,
            "ended_by_itself": ended,
            **{name: self._reached(name) for name in self._objectives},
            "evaluated": any(map(math.isfinite, self._measured(self._objectives[0]))),
            "diverged": last.diverged,
            "lacks_gpu": self._lacks_gpu,
        }

    def _advance(self, run: Run) -> None:
        """Train for as long as there need be no report, and keep what came of it."""
        assert self._writer is not None
        started = time.monotonic()
        while not run.finished:
            record = next(self._stream)
            self._records.append(record)
            _write_events(self._writer, record)
            if time.monotonic() - started > self._seconds_until_report():
                break
        last = self._records[-1]
        self._writer.flush()
        _say(
            f"{self._name} epoch {last.epoch:g} training loss {last.train_loss:.4g} "
            f"{self._objectives[0]} {self._reached(self._objectives[0]):.4g}"
        )
        started = time.monotonic()
        self._folder.keep_events()
        if run.finished:
            self._folder.finish("diverged" if last.diverged else "finished", self._records)
        else:
            self._folder.save(self._records, as_bytes(run.state_dict()))
        self._seconds_to_save = time.monotonic() - started

    def _seconds_until_report(self) -> float:
        if not self._seconds_between_reports:  # a scheduler is to see every record
            return 0.0
        # A long curve takes long to write: never more than a twentieth of the time.
        return max(self._seconds_between_reports, 20 * self._seconds_to_save)

    def _reached(self, objective: str) -> float:
        """An objective where it was last evaluated."""
        reached = next(filter(math.isfinite, self._measured(objective)), math.nan)
        if self._records[-1].diverged or math.isnan(reached):
            # A scheduler compares numbers, and NaN with nothing.
            return 0.0 if maximized(objective) else math.inf
        return reached

    def _measured(self, objective: str) -> Iterator[float]:
        """An objective at the records, the last one first; NaN where not evaluated."""
        return (getattr(record, objective) for record in reversed(self._records))

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Checkpoints are in the trial's own folder, written by `step`; Tune keeps none."""

    def cleanup(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._folder.close_events()


def _say(line: str) -> None:
    """A line in the worker's log, where the Ray dashboard shows it under its actor."""
    print(line, flush=True)


def _write_events(writer: SummaryWriter, record: Record) -> None:
    row = record.to_dict()
    for name, value in record.observed.items():
        writer.add_scalar(f"observed/{name}", value, record.step)
    for quantity in ("loss", "accuracy"):
        for part in ("train", "validation", "test"):
            value = row[f"{part}_{quantity}"]
            if value == value:
                writer.add_scalar(f"{quantity}/{part}", value, record.step)
    writer.add_scalar("lr", record.lr, record.step)
    writer.add_scalar("speed/samples_per_second", record.samples_per_second, record.step)
