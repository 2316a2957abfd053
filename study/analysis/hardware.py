"""How to use the hardware: three ways to train a grid, with the time that each takes.

- *side by side*: every trial has a core, or a share of a GPU, to itself
- *packed*: trials of one kind are trained as fleets, and fleets side by side
- *workers*: one trial after the other, each data-parallel on all cores or GPUs

The times of the first two are predicted from timed training steps, the time of the third from the
step-time model of a scaling run. The time that a finished run took is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from lenet.config import ConfigError
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import fit_step_model, has_mixed_placement, other_varied_settings
from study.analysis.step_model import FittedModels
from study.analysis.wording import format_duration, label, pluralize

SIDE_BY_SIDE, PACKED, WORKERS = "side by side", "packed", "workers"

_CLOSE = 1.1
"""Choices whose predicted times differ by less than this factor are not told apart."""


@dataclass(frozen=True)
class Choice:
    """One way to train all trials, with its predicted time."""

    name: str
    """`SIDE_BY_SIDE`, `PACKED` or `WORKERS`"""
    how: str
    """what runs at the same time, and what is known about its steps"""
    seconds: float | None
    """predicted training time, without Ray's start and the report; None: unknown"""
    low: float | None = None
    """lower end of the 95% interval over the repeats of the scaling run; None: no interval"""
    high: float | None = None
    missing: str = ""
    """why `seconds` is unknown, and what to type"""
    is_chosen: bool = False
    """whether the run trains this way"""

    def format_seconds(self) -> str:
        """Format the predicted time, with its interval if it has one."""
        if self.seconds is None:
            return "unknown"
        text = format_duration(self.seconds)
        if self.low is None or self.high is None:
            return text
        return f"{text} [{format_duration(self.low)}, {format_duration(self.high)}]"


@dataclass(frozen=True)
class Hardware:
    """The choices for the trials of a run on some machine."""

    machine: str
    """such as `2 CPU cores`"""
    trials: int
    choices: tuple[Choice, ...]
    basis: str
    """what the predictions are based on"""

    @property
    def fastest(self) -> str:
        """Return a sentence on the fastest choice; empty with fewer than two predictions."""
        known = sorted(
            (choice.seconds, choice.name) for choice in self.choices if choice.seconds is not None
        )
        if len(known) < 2:
            return ""
        (least, best), *others = known
        close = [name for seconds, name in others if seconds < _CLOSE * least]
        if close:
            return f"{best} and {' and '.join(close)}: within 10%, too close for a prediction"
        seconds, second = others[0]
        return f"{best}, predicted to be {seconds / least:.1f} times as fast as {second}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Hardware:
        """Read what `to_json` returned. Raises: ConfigError if it is damaged."""
        try:
            choices = tuple(Choice(**choice) for choice in document["choices"])
            return cls(**{**document, "choices": choices})
        except (KeyError, TypeError) as error:
            raise ConfigError(
                f"`hardware` in run.json is damaged ({error}): restore it from a copy"
            ) from error


def measured_seconds(results: Results) -> float | None:
    """Return the seconds during which at least one trial of the run was training.

    None if the tables do not determine them: a trial has no times, or it began several times, and
    only its last attempt has times.
    """
    trials = results.trials
    if "reused" in trials:
        trials = trials[trials["reused"].isna()]
    if trials.empty or (trials["attempts"] > 1).any():
        return None
    starts, ends = (pd.to_datetime(trials[name], utc=True) for name in ("started", "ended"))
    if starts.isna().any() or ends.isna().any():
        return None
    seconds, until = 0.0, starts.min()
    for start, end in sorted(zip(starts, ends, strict=True)):
        seconds += max(0.0, (end - max(start, until)).total_seconds())
        until = max(until, end)
    return seconds


@dataclass(frozen=True)
class Step:
    """The workload of a training step, as the step-time model sees it."""

    batch: int
    """samples over all workers"""
    width: int
    gradient_bytes: float


class UnknownSpeedup(Exception):
    """The scaling run does not determine the speedup. The message says why and what to type."""


@dataclass(frozen=True)
class WorkerSpeedups:
    """The speedups of several workers, as the step-time models of a scaling run predict them."""

    name: str
    """the run's name, as the user typed it"""
    fitted: FittedModels
    models: frozenset[str]
    datasets: frozenset[str]
    processor: str
    """cpu or gpu"""
    measured: frozenset[int]
    """numbers of workers that the run trained with"""

    @classmethod
    def load(cls, name: str) -> WorkerSpeedups:
        """Fit the step-time model to the scaling run in the folder `name`.

        Raises: ConfigError if the folder holds no scaling run, or its measurements do not suffice.
        """
        results = Results.load(name)
        if "workers" not in results.trials:
            raise ConfigError(
                f"--scaling {name} is a run of {results.run.tool}: name a run of "
                "python -m study.scaling"
            )
        if varied := other_varied_settings(results):
            raise ConfigError(
                f"--scaling {name} has several values of {' and '.join(map(label, varied))}, which "
                "the step-time model does not describe: name a run with one value of each"
            )
        if has_mixed_placement(results):
            raise ConfigError(
                f"--scaling {name} has workers on one machine and on several: name a run with one "
                "placement"
            )
        model = fit_step_model(results)
        if model is None:
            raise ConfigError(
                f"--scaling {name} has too few points for the step-time model: it needs four that "
                "are not oversubscribed, two of them of several workers. Measure several batch "
                "sizes: python -m study.scaling --set batch_size=16,32,64,128"
            )
        repeats, _, fitted = model
        trials = results.completed
        return cls(
            name=name,
            fitted=fitted,
            models=frozenset(trials["model"]),
            datasets=frozenset(trials["dataset"]),
            processor=str(trials["processor"].max()),
            measured=frozenset(m.workers for m in repeats[0]),
        )

    def per_repeat(self, workers: int, step: Step) -> list[float]:
        """Return the speedup over one worker, by repeat.

        Raises: UnknownSpeedup if the measurements do not determine it.
        """
        for count in (1, workers):
            if not self.fitted.determines_step(count, step.batch, step.width, step.gradient_bytes):
                raise UnknownSpeedup(
                    f"the points of {self.name} do not determine a step of batch {step.batch} and "
                    f"width {step.width} on {pluralize(count, 'worker')}: measure more batch "
                    "sizes, or that width (--widths)"
                )
        return self.fitted.per_repeat(
            lambda model: model.speedup(workers, step.batch, step.width, step.gradient_bytes)
        )

    def describe(self, workers: int) -> str:
        """Say how far the model can be trusted for this many workers."""
        if workers in self.measured:
            return f"by the step-time model of {self.name}"
        return (
            f"by the step-time model of {self.name}, which measured at most {max(self.measured)} "
            "workers: more of them may slow each other down more"
        )


def over_repeats(seconds: Sequence[float]) -> statistics.Mean:
    """Return the mean of the times that the models of the repeats predict, with its interval."""
    return statistics.mean(seconds, statistics.NON_NEGATIVE)
