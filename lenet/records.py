"""Record: one row of the curve of one training run."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Record:
    """One moment of one run. NaN where a quantity was not measured at this moment.

    `train_loss` and `train_accuracy` are means over the samples trained on since the
    record before, each seen by the weights of its own step, dropout on. `validation_*`
    and `test_*` are over the whole held-out set with the weights of this moment, dropout
    off. Losses are means over samples, cross-entropy in nats; accuracies are in
    [0, 1].
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
    validation_loss: float = NAN
    validation_accuracy: float = NAN
    test_loss: float = NAN
    test_accuracy: float = NAN
    train_seconds: float
    """seconds spent in training steps since the run began; evaluation, start-up and
    waiting are not counted in"""
    samples_per_second: float
    """over the steps since the record before"""
    steps_per_second: float
    """over the steps since the record before"""
    diverged: bool = False
    """the training loss was no longer finite; the run ends with this record"""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def same_learning(self, other: Record) -> bool:
        """Whether both say the same of the learning; seconds and speeds may differ."""
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            both_missing = mine != mine and theirs != theirs
            if field.name not in TIMING and mine != theirs and not both_missing:
                return False
        return True


TIMING = frozenset({"train_seconds", "samples_per_second", "steps_per_second"})
"""The fields of a record that depend on the machine's speed, not on the config."""
