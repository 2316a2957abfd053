"""Record: one row of the learning curve of one training run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAN = math.nan

RECORDS_VERSION = 2
"""Incremented with each change of the code that changes records: the same config gives the same
records only under the same version. Runs from before the version was recorded have version 0.

2: full batches are not shuffled; held-out data are evaluated 250 at a time, not 500.
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One moment of one run. A quantity that was not measured at this moment is NaN.

    `train_loss` and `train_accuracy` are means over the samples since the previous record. Each
    sample is measured with the weights of its own step, dropout on. `validation_*` and `test_*` are
    over the whole held-out set with the current weights, dropout off.

    Losses are means over samples, cross-entropy in nats. A summed loss is the mean over batches in
    training, and the sum over all samples in evaluation. Accuracies are in [0, 1], NaN for a
    regression.
    """

    step: int
    """optimizer steps taken"""
    epoch: float
    """passes over the training samples"""
    samples: int
    """samples trained on"""
    lr: float
    """learning rate of the last step"""
    train_loss: float
    train_accuracy: float
    lowest_train_loss: float = NAN
    """lowest loss of a single step since the previous record"""
    highest_train_loss: float = NAN
    """highest loss of a single step since the previous record"""
    validation_loss: float = NAN
    validation_accuracy: float = NAN
    test_loss: float = NAN
    test_accuracy: float = NAN
    train_seconds: float
    """seconds of training steps since the run began, without start-up, evaluation and waiting"""
    samples_per_second: float
    """over the steps since the previous record"""
    steps_per_second: float
    """over the steps since the previous record"""
    diverged: bool = False
    """a loss was not finite; the run ends with this record"""
    observed: Mapping[str, float] = field(default_factory=dict)
    """numbers by name from the model's `observed()`, if it has that method, such as the two
    weights of a line"""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """numbers by name from the user's own metrics, such as `validation_r2`"""

    def to_dict(self) -> dict[str, Any]:
        """Return all fields by name."""
        return dataclasses.asdict(self)

    def value(self, name: str) -> float:
        """Return the field or metric `name`, NaN if it was not measured."""
        if name in Record.__dataclass_fields__:
            value: float = getattr(self, name)
            return value
        return self.metrics.get(name, NAN)

    def equal_except_timing(self, other: Record) -> bool:
        """Return True if all fields but those in `TIMING` are equal, NaN to NaN."""
        # Compared as text, because NaN == NaN is False.
        return repr(self._without_timing()) == repr(other._without_timing())

    def _without_timing(self) -> dict[str, Any]:
        return {name: value for name, value in self.to_dict().items() if name not in TIMING}


def last_finite(records: Sequence[Record], name: str) -> float:
    """Return the last finite value of the field or metric `name`, NaN if there is none.

    Held-out quantities are NaN in the records where they were not evaluated.
    """
    values = (record.value(name) for record in reversed(records))
    return next(filter(math.isfinite, values), NAN)


TIMING = frozenset({"train_seconds", "samples_per_second", "steps_per_second"})
"""The fields of a record that depend on the machine's speed, not on the config."""

PHASES = ("data", "compute", "communication")
"""The phases of a training step.

- `data`: selecting the batch
- `compute`: forward pass, backward pass and update
- `communication`: all-reduce of the gradients, which includes waiting for the slowest worker
"""
