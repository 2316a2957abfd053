"""Record: one row of the curve of one training run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Record:
    """One moment of one run. NaN where a quantity was not measured at this moment.

    `train_loss` and `train_accuracy` are means over the samples trained on since the
    record before, each seen by the weights of its own step, dropout on. `validation_*`
    and `test_*` are over the whole held-out set with the weights of this moment, dropout
    off. Losses are means over samples, cross-entropy in nats; a summed loss is the mean over
    batches in training, and the sum over all samples elsewhere. Accuracies are in [0, 1], NaN
    for a regression.
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
    observed: Mapping[str, float] = field(default_factory=dict)
    """what the model's `observed()` gives, if it has one: numbers of its own worth a curve,
    such as the two weights of a line"""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def same_learning(self, other: Record) -> bool:
        """Whether both say the same of the learning; seconds and speeds may differ."""
        # As text, since NaN equals itself there.
        return repr(self._learning()) == repr(other._learning())

    def _learning(self) -> dict[str, Any]:
        return {name: value for name, value in self.to_dict().items() if name not in TIMING}


TIMING = frozenset({"train_seconds", "samples_per_second", "steps_per_second"})
"""The fields of a record that depend on the machine's speed, not on the config."""

PHASES = ("data", "compute", "communication")
"""Where the time of a training step goes. *data*: having the batch at hand. *compute*: forward,
backward and update. *communication*: the all-reduce of the gradients, and with it the wait for
the slowest worker."""
