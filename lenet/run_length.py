"""RunLength: how many steps a run takes, and after which it records and evaluates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from lenet.config import TrainConfig


@dataclass(frozen=True)
class RunLength:
    """The steps of a run of `config` on `train_samples` samples an epoch."""

    config: TrainConfig
    train_samples: int

    @cached_property
    def batch_size(self) -> int:
        """Samples per step. The last batch of an epoch may be smaller."""
        return min(self.config.batch_size, self.train_samples)

    @cached_property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.train_samples / self.batch_size)

    @property
    def full_batch(self) -> bool:
        """Whether every step trains on all samples.

        Their order then changes only rounding, so they are not shuffled.
        """
        return self.batch_size == self.train_samples

    @cached_property
    def total_steps(self) -> int:
        """Steps of a run that neither diverges nor blows up: `epochs` or `steps`, whichever ends
        first."""
        epochs, steps = self.config.epochs, self.config.steps
        ends = [] if epochs is None else [epochs * self.steps_per_epoch]
        return min([*ends, *([] if steps is None else [steps])])

    @cached_property
    def records(self) -> int:
        """How many records a complete run has."""
        every = self._record_every
        extra = {at for at in self.config.evaluate_at or () if at < self.total_steps and at % every}
        return math.ceil(self.total_steps / every) + len(extra)

    @property
    def evaluations(self) -> int:
        """How many records of a complete run evaluate held-out data."""
        if self.config.evaluate_at is None:
            return self.records
        return sum(step < self.total_steps for step in self.config.evaluate_at) + 1

    @property
    def _record_every(self) -> int:
        return self.config.record_every or self.steps_per_epoch

    def samples_after(self, step: int) -> int:
        """Return the number of samples trained on in the first `step` steps."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        return epochs * self.train_samples + steps * self.batch_size

    def next_record(self, step: int) -> int:
        """Return the step of the first record after `step`."""
        every = self._record_every
        regular = min(self.total_steps, (step // every + 1) * every)
        return min([regular, *(at for at in self.config.evaluate_at or () if at > step)])

    def evaluates_at(self, step: int) -> bool:
        """Return True if the record of `step` evaluates held-out data."""
        evaluate_at = self.config.evaluate_at
        return step == self.total_steps or evaluate_at is None or step in evaluate_at
