"""A model of the duration of a training step on several workers.

It is fitted to each repeat separately, so that every prediction has an interval over repeats. It is
tested on workloads that it was not fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

Workload = tuple[int, int, int]
"""(width, batch over all workers, workers)"""


@dataclass(frozen=True)
class StepMeasurement:
    """The durations of a step of one workload, as one repeat measured them.

    They are means except for `median_seconds`, the median of whole steps.
    """

    workers: int
    batch: int
    """samples over all workers"""
    width: int
    gradient_bytes: float
    compute_seconds: float
    communication_seconds: float
    step_seconds: float
    median_seconds: float

    @property
    def workload(self) -> Workload:
        return self.width, self.batch, self.workers


Repeats = Sequence[Sequence[StepMeasurement]]
"""The measurements of each repeat. All repeats have the same workloads."""


@dataclass(frozen=True)
class StepTime:
    """A model of the seconds of a step on N workers, each with its own processor:

        T(N) = slowdown(N) x compute(batch / N, width) + communication(N)

    Computation, for b samples on a worker and a net of width w, is

        compute(b, w) = `fixed` + `per_byte` x gradient bytes
                        + b x (`per_sample_0` + `per_sample_1` w + `per_sample_2` w²)

    The terms are, in this order, the cost of any step, of updating the weights, and of the samples.
    A sample has a cost that does not depend on the width, such as loading pixels, and the cost of
    its arithmetic. A layer between two scaled ones has w² times the arithmetic.

    slowdown(N) is the factor by which N workers compute more slowly than one alone, because they
    share memory, and two CPUs may be two threads of one core.

    Communication is a ring all-reduce. Its two terms count the sequential messages, and the bytes
    that each worker sends (Patarasuk & Yuan, Bandwidth optimal all-reduce algorithms, 2009):

        communication(N) = 2 (N - 1) x `latency` + 2 (N - 1) / N x gradient bytes x
                           `seconds_per_byte`
    """

    fixed: float
    per_byte: float
    per_sample_0: float
    per_sample_1: float
    per_sample_2: float
    latency: float
    """seconds per message"""
    seconds_per_byte: float
    slowdowns: Mapping[int, float] = field(default_factory=dict)
    """measured slowdowns, by number of workers"""

    def slowdown(self, workers: int) -> float:
        """Return the slowdown of these workers.

        If it was not measured, return the slowdown of the next smaller number of workers as a
        lower bound, or 1 if there is none.
        """
        measured = [n for n in self.slowdowns if n <= workers]
        return self.slowdowns[max(measured)] if measured else 1.0

    def compute_seconds(self, samples: float, width: int, gradient_bytes: float) -> float:
        """Return the seconds of computation of one worker alone."""
        return self.overhead_seconds(gradient_bytes) + samples * self.sample_seconds(width)

    def overhead_seconds(self, gradient_bytes: float) -> float:
        """Return the seconds of computation in a step that do not depend on its samples."""
        return self.fixed + self.per_byte * gradient_bytes

    def sample_seconds(self, width: int) -> float:
        """Return the seconds of computation that each sample adds."""
        return self.per_sample_0 + self.per_sample_1 * width + self.per_sample_2 * width**2

    def communication_seconds(self, workers: int, gradient_bytes: float) -> float:
        """Return the seconds of communication of a step; 0 for one worker."""
        sent = ring_bytes_sent(workers, gradient_bytes)
        return self.latency * ring_messages(workers) + self.seconds_per_byte * sent

    def step_seconds(self, workers: int, batch: float, width: int, gradient_bytes: float) -> float:
        """Return the seconds of a step. All workers wait for the largest shard."""
        alone = self.compute_seconds(math.ceil(batch / workers), width, gradient_bytes)
        communication = self.communication_seconds(workers, gradient_bytes)
        return self.slowdown(workers) * alone + communication

    def speedup(self, workers: int, batch: float, width: int, gradient_bytes: float) -> float:
        """Return the speedup over one worker with the same batch."""
        one = self.step_seconds(1, batch, width, gradient_bytes)
        return one / self.step_seconds(workers, batch, width, gradient_bytes)

    def break_even_batch(self, workers: int, width: int, gradient_bytes: float) -> float:
        """Return the batch above which `workers` are faster than one.

        At this batch, the time saved on samples equals the time spent on communication and on
        slowing each other down. Infinite if workers save nothing.
        """
        slowdown = self.slowdown(workers)
        saved_per_sample = self.sample_seconds(width) * (1 - slowdown / workers)
        spent = (slowdown - 1) * self.overhead_seconds(gradient_bytes)
        spent += self.communication_seconds(workers, gradient_bytes)
        return max(0.0, spent) / saved_per_sample if saved_per_sample > 0 else math.inf


_COMPUTE_TERMS = ("fixed", "per_byte", "per_sample_0", "per_sample_1", "per_sample_2")
_COMMUNICATION_TERMS = ("latency", "seconds_per_byte")
"""The terms in the order of the columns of `_compute_row` and `_communication_row`."""


def ring_messages(workers: int) -> int:
    """Return the number of sequential messages in a ring all-reduce."""
    return 2 * (workers - 1)


def ring_bytes_sent(workers: int, gradient_bytes: float) -> float:
    """Return the bytes that each worker sends in a ring all-reduce."""
    return 2 * (workers - 1) / workers * gradient_bytes


def fit(measurements: Sequence[StepMeasurement]) -> StepTime | None:
    """Fit the model to one repeat.

    None with fewer than four measurements, or fewer than two of several workers.

    The fit minimizes the squared relative errors of computation (of a worker alone) and of
    communication, each separately, with no negative terms. Only several widths and numbers of
    workers determine every term: see `FittedModels`.
    """
    parallel = [m for m in measurements if m.workers > 1]
    if len(measurements) < 4 or len(parallel) < 2:
        return None
    slowdowns = _slowdowns(measurements)
    alone = [m.compute_seconds / slowdowns.get(m.workers, 1.0) for m in measurements]
    compute = _least_squares(_compute_rows(measurements), alone)
    communication = _least_squares(
        _communication_rows(parallel), [m.communication_seconds for m in parallel]
    )
    return StepTime(
        **dict(zip(_COMPUTE_TERMS, compute, strict=True)),
        **dict(zip(_COMMUNICATION_TERMS, communication, strict=True)),
        slowdowns=slowdowns,
    )


def _slowdowns(measurements: Sequence[StepMeasurement]) -> dict[int, float]:
    """Return the slowdown by number of workers.

    It is the mean over the workloads of which one worker alone was also measured on a shard.
    """
    alone = {(m.width, m.batch): m.compute_seconds for m in measurements if m.workers == 1}
    ratios: dict[int, list[float]] = {}
    for m in measurements:
        shard, remainder = divmod(m.batch, m.workers)
        if m.workers > 1 and not remainder and (m.width, shard) in alone:
            ratios.setdefault(m.workers, []).append(m.compute_seconds / alone[m.width, shard])
    return {workers: float(np.mean(values)) for workers, values in ratios.items()}


def relative_error(model: StepTime, measurement: StepMeasurement) -> float:
    """Return (predicted - measured) / measured seconds of a step."""
    m = measurement
    predicted = model.step_seconds(m.workers, m.batch, m.width, m.gradient_bytes)
    return predicted / m.step_seconds - 1


@dataclass(frozen=True)
class FittedModels:
    """The model fitted to each repeat, and what these fits determine.

    Workloads of one width and one number of workers separate neither latency from bandwidth nor
    the terms of the width. Then many values of the terms fit equally well; they agree on such
    workloads but not on others. A sum of terms is determined if its row is a linear combination of
    the fitted rows, that is, if it is *estimable* (Searle, Linear Models, 1971, section 5.4).
    """

    models: tuple[StepTime, ...]
    """one for each repeat"""
    fitted_on: tuple[StepMeasurement, ...]
    """the measurements of one repeat that its model was fitted to"""

    def per_repeat(self, quantity: Callable[[StepTime], float]) -> list[float]:
        """Return `quantity` of each repeat's model."""
        return [quantity(model) for model in self.models]

    def determines_step(self, workers: int, batch: int, width: int, gradient_bytes: float) -> bool:
        """Return True if the fits determine the duration of a step of this workload."""
        row = _compute_row(math.ceil(batch / workers), width, gradient_bytes)
        return _is_estimable(_compute_rows(self.fitted_on), row) and self.determines_communication(
            workers, gradient_bytes
        )

    def determines_communication(self, workers: int, gradient_bytes: float) -> bool:
        """Return True if the fits determine the communication of a step."""
        parallel = [m for m in self.fitted_on if m.workers > 1]
        row = _communication_row(workers, gradient_bytes)
        return workers == 1 or _is_estimable(_communication_rows(parallel), row)

    def determines_break_even(self, workers: int, width: int, gradient_bytes: float) -> bool:
        """Return True if the fits determine the break-even batch."""
        needed = [[0.0, 0.0, *_sample_row(1.0, width)]]
        if any(model.slowdown(workers) != 1 for model in self.models):
            needed.append(_compute_row(0.0, width, gradient_bytes))
        rows = _compute_rows(self.fitted_on)
        return all(_is_estimable(rows, row) for row in needed) and self.determines_communication(
            workers, gradient_bytes
        )


def fit_repeats(repeats: Repeats, without: Sequence[Workload] = ()) -> FittedModels | None:
    """Fit the model to each repeat without the workloads `without`; None if no fit is possible."""
    used = [[m for m in repeat if m.workload not in without] for repeat in repeats]
    models = [model for model in map(fit, used) if model is not None]
    return FittedModels(tuple(models), tuple(used[0])) if models else None


def held_out_workloads(measurements: Sequence[StepMeasurement]) -> list[Workload]:
    """Choose a quarter of the workloads to test the model on, whatever was measured there.

    The numbers of workers take turns, several workers before one. Within a number, the middle
    workload (by width and batch) comes before the outer ones. Each number of workers starts one
    workload further, so that the choice covers several widths.

    A workload that the remaining ones do not determine is not chosen. If there are few workloads,
    none may be chosen.
    """
    by_workers: dict[int, list[StepMeasurement]] = {}
    for m in sorted(measurements, key=lambda m: (m.workers == 1, m.workers, m.width, m.batch)):
        by_workers.setdefault(m.workers, []).append(m)
    queues = [_middle_first(group, skip=i) for i, group in enumerate(by_workers.values())]
    turns = [queue[i] for i in range(len(measurements)) for queue in queues if i < len(queue)]
    chosen: list[Workload] = []
    for candidate in turns:
        if len(chosen) == len(measurements) // 4:
            break
        tried = [*chosen, candidate.workload]
        fitted = fit_repeats([measurements], tried)
        tested = [m for m in measurements if m.workload in tried]
        if fitted and all(_is_determined(fitted, m) for m in tested):
            chosen = tried
    return chosen


def relative_errors(
    fitted: FittedModels, repeats: Repeats, workloads: Sequence[Workload]
) -> list[list[float]]:
    """Return, for each repeat, the relative errors of its model on these workloads."""
    return [
        [relative_error(model, m) for m in repeat if m.workload in workloads]
        for model, repeat in zip(fitted.models, repeats, strict=True)
    ]


def extrapolation_errors(repeats: Repeats) -> tuple[int, list[list[float]]] | None:
    """Return the largest number of workers, and the errors of the models fitted without it.

    The relative errors are on all workloads of that number of workers, by repeat. None if the other
    workloads do not determine them.
    """
    most = max(m.workers for m in repeats[0])
    excluded = [m for m in repeats[0] if m.workers == most]
    fitted = fit_repeats(repeats, [m.workload for m in excluded])
    if fitted is None or not all(_is_determined(fitted, m) for m in excluded):
        return None
    return most, relative_errors(fitted, repeats, [m.workload for m in excluded])


def _middle_first(ordered: Sequence[StepMeasurement], skip: int) -> list[StepMeasurement]:
    """Sort from the middle to the ends, then rotate by `skip`."""
    last = len(ordered) - 1
    found = [ordered[i] for i in sorted(range(last + 1), key=lambda i: abs(2 * i - last))]
    start = skip % len(found)
    return [*found[start:], *found[:start]]


def _is_determined(fitted: FittedModels, m: StepMeasurement) -> bool:
    return fitted.determines_step(m.workers, m.batch, m.width, m.gradient_bytes)


def _compute_row(samples: float, width: int, gradient_bytes: float) -> list[float]:
    return [1.0, gradient_bytes, *_sample_row(samples, width)]


def _sample_row(samples: float, width: int) -> list[float]:
    return [samples, samples * width, samples * width**2]


def _compute_rows(measurements: Sequence[StepMeasurement]) -> list[list[float]]:
    return [
        _compute_row(math.ceil(m.batch / m.workers), m.width, m.gradient_bytes)
        for m in measurements
    ]


def _communication_row(workers: int, gradient_bytes: float) -> list[float]:
    return [float(ring_messages(workers)), ring_bytes_sent(workers, gradient_bytes)]


def _communication_rows(parallel: Sequence[StepMeasurement]) -> list[list[float]]:
    return [_communication_row(m.workers, m.gradient_bytes) for m in parallel]


def _is_estimable(rows: Sequence[Sequence[float]], row: Sequence[float]) -> bool:
    """Return True if `row` is a linear combination of `rows`, up to rounding."""
    matrix = np.asarray(rows, dtype=float)
    scales = np.linalg.norm(matrix, axis=0)
    matrix, vector = matrix / scales, np.asarray(row) / scales
    _, singular_values, directions = np.linalg.svd(matrix, full_matrices=False)
    basis = directions[singular_values > 1e-9 * singular_values[0]]
    residual = vector - basis.T @ (basis @ vector)
    return bool(np.linalg.norm(residual) <= 1e-6 * np.linalg.norm(vector))


def _least_squares(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float]:
    matrix = np.asarray(rows) / np.asarray(seconds)[:, None]
    # Scale the columns: samples and bytes differ by many orders of magnitude.
    scales = np.linalg.norm(matrix, axis=0)
    terms, _ = nnls(matrix / scales, np.ones(len(seconds)))
    # Rounding leaves a tiny term in place of 0, such as a sample that costs next to nothing.
    terms[terms < 1e-9 * terms.max()] = 0.0
    return [float(value) for value in terms / scales]
