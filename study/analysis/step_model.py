"""A model of a training step's time on several workers: fitted, and tested on what it was not
fitted on.

It is fitted to each repeat by itself, so that whatever it says has an interval over repeats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

Place = tuple[int, int, int]
"""(width, batch over all workers, workers)"""


@dataclass(frozen=True)
class Point:
    """What one repeat measured at one place; seconds."""

    workers: int
    batch: int
    """samples, over all workers"""
    width: int
    gradient_bytes: float
    compute: float
    communication: float
    step: float
    """the whole step"""
    median: float
    """the median of whole steps, where the others are means"""

    @property
    def place(self) -> Place:
        return self.width, self.batch, self.workers


Repeats = Sequence[Sequence[Point]]
"""The points of each repeat, which are at the same places in all."""


@dataclass(frozen=True)
class StepTime:
    """T(N) = slow_down(N) x compute(batch / N, width) + communication(N), in seconds, of N workers
    that each have a processor of their own.

    compute(b, w) = `fixed` + `per_byte` x gradient bytes
                    + b x (`per_sample_0` + `per_sample_1` w + `per_sample_2` w²)

    are what any step costs, the update of the weights, and the samples: what each takes whatever
    the width, such as having its pixels at hand, and the arithmetic, of which a layer between two
    scaled ones has w² times as much.

    slow_down(N) is how many times as long each of N workers computes as one that is alone: they
    share the memory, and what are called two CPUs may be threads of one core.

    communication(N) = 2 (N - 1) x `latency` + 2 (N - 1) / N x gradient bytes x `seconds_per_byte`

    is a ring all-reduce: so many messages one after the other, and so many bytes sent by each
    worker (Patarasuk & Yuan, Bandwidth optimal all-reduce algorithms, 2009).
    """

    fixed: float
    per_byte: float
    per_sample_0: float
    per_sample_1: float
    per_sample_2: float
    latency: float
    """of one message"""
    seconds_per_byte: float
    slow_downs: Mapping[int, float] = field(default_factory=dict)
    """by number of workers, where it was measured"""

    def slow_down(self, workers: int) -> float:
        """Where it was not measured, that of the next fewer workers of which it was: they slow each
        other down no less. 1 if there are none."""
        known = [n for n in self.slow_downs if n <= workers]
        return self.slow_downs[max(known)] if known else 1.0

    def compute(self, samples: float, width: int, gradient_bytes: float) -> float:
        """Of one worker that is alone, with so many samples."""
        return self.step_seconds(gradient_bytes) + samples * self.sample_seconds(width)

    def step_seconds(self, gradient_bytes: float) -> float:
        """Of computation, what each step takes whatever its samples."""
        return self.fixed + self.per_byte * gradient_bytes

    def sample_seconds(self, width: int) -> float:
        """Of computation, what each sample adds."""
        return self.per_sample_0 + self.per_sample_1 * width + self.per_sample_2 * width**2

    def communication(self, workers: int, gradient_bytes: float) -> float:
        """Of a step; 0 of one worker."""
        return self.latency * messages(workers) + self.seconds_per_byte * sent(
            workers, gradient_bytes
        )

    def step(self, workers: int, batch: float, width: int, gradient_bytes: float) -> float:
        """Of the largest shard, for which the others wait."""
        alone = self.compute(math.ceil(batch / workers), width, gradient_bytes)
        return self.slow_down(workers) * alone + self.communication(workers, gradient_bytes)

    def speed_up(self, workers: int, batch: float, width: int, gradient_bytes: float) -> float:
        """Against one worker with the same batch."""
        one = self.step(1, batch, width, gradient_bytes)
        return one / self.step(workers, batch, width, gradient_bytes)

    def break_even_batch(self, workers: int, width: int, gradient_bytes: float) -> float:
        """The batch from which on `workers` are faster than one: where what they save on
        samples is what they spend on communication, and on slowing each other down. Infinite if
        they save nothing."""
        slow_down = self.slow_down(workers)
        saved = self.sample_seconds(width) * (1 - slow_down / workers)
        spent = (slow_down - 1) * self.step_seconds(gradient_bytes)
        spent += self.communication(workers, gradient_bytes)
        return max(0.0, spent) / saved if saved > 0 else math.inf


_TERMS = (
    *("fixed", "per_byte", "per_sample_0", "per_sample_1", "per_sample_2"),
    *("latency", "seconds_per_byte"),
)
"""In the order of the rows that are fitted: of computation, of communication."""


def messages(workers: int) -> int:
    """How many messages follow each other in a ring all-reduce."""
    return 2 * (workers - 1)


def sent(workers: int, gradient_bytes: float) -> float:
    """Bytes that each worker sends in a ring all-reduce."""
    return 2 * (workers - 1) / workers * gradient_bytes


def enough(measured: Sequence[Point]) -> bool:
    """Whether there are four points, two of them of several workers: fewer settle nothing."""
    return len(measured) >= 4 and sum(p.workers > 1 for p in measured) >= 2


def fit(measured: Sequence[Point]) -> StepTime | None:
    """The model with the least squares of relative errors, of computation (what it takes a worker
    that is alone) and of communication each, none of its terms negative. None if there are not
    `enough` points.

    Several widths and numbers of workers are needed to tell all terms apart; what can be said
    without, `Fitted` knows.
    """
    if not enough(measured):
        return None
    together = [p for p in measured if p.workers > 1]
    slow_downs = _slow_downs(measured)
    alone = [p.compute / slow_downs.get(p.workers, 1.0) for p in measured]
    compute = _least_squares(_compute_rows(measured), alone)
    communication = _least_squares(
        _communication_rows(together), [p.communication for p in together]
    )
    terms = dict(zip(_TERMS, [*compute, *communication], strict=True))
    return StepTime(**terms, slow_downs=slow_downs)


def _slow_downs(measured: Sequence[Point]) -> dict[int, float]:
    """By number of workers, how many times as long each computes as one that is alone with as many
    samples: the mean over the points where both were measured, if there are any."""
    alone = {(p.width, p.batch): p.compute for p in measured if p.workers == 1}
    times: dict[int, list[float]] = {}
    for p in measured:
        share, left = divmod(p.batch, p.workers)
        if p.workers > 1 and not left and (p.width, share) in alone:
            times.setdefault(p.workers, []).append(p.compute / alone[p.width, share])
    return {workers: float(np.mean(each)) for workers, each in times.items()}


def relative_error(model: StepTime, point: Point) -> float:
    """Modelled less measured, as a share of measured."""
    return (
        model.step(point.workers, point.batch, point.width, point.gradient_bytes) / point.step - 1
    )


@dataclass(frozen=True)
class Fitted:
    """The model fitted to each repeat by itself, and what these fits can tell.

    Points of one width and one number of workers do not tell latency from bandwidth, nor points of
    one width what grows with it: the terms are then one choice of many, which all say the same of
    such points, and something else of others. A sum of terms is told if its row is a combination of
    the rows that were fitted (it is *estimable*: Searle, Linear Models, 1971, section 5.4).
    """

    models: tuple[StepTime, ...]
    """one by repeat"""
    on: tuple[Point, ...]
    """the places it was fitted on, as one repeat measured them"""

    def each(self, quantity: Callable[[StepTime], float]) -> list[float]:
        """A value by repeat."""
        return [quantity(model) for model in self.models]

    def tells_step(self, workers: int, batch: int, width: int, gradient_bytes: float) -> bool:
        """Whether the points fitted on settle what such a step takes."""
        row = _compute_row(math.ceil(batch / workers), width, gradient_bytes)
        return _settled(_compute_rows(self.on), row) and self.tells_communication(
            workers, gradient_bytes
        )

    def tells_communication(self, workers: int, gradient_bytes: float) -> bool:
        together = [p for p in self.on if p.workers > 1]
        row = _communication_row(workers, gradient_bytes)
        return workers == 1 or _settled(_communication_rows(together), row)

    def tells_break_even(self, workers: int, width: int, gradient_bytes: float) -> bool:
        asked = [[0.0, 0.0, *_sample_row(1.0, width)]]
        if any(model.slow_down(workers) != 1 for model in self.models):
            asked.append(_compute_row(0.0, width, gradient_bytes))
        rows = _compute_rows(self.on)
        return all(_settled(rows, row) for row in asked) and self.tells_communication(
            workers, gradient_bytes
        )


def fit_each(repeats: Repeats, without: Sequence[Place] = ()) -> Fitted | None:
    """The model fitted to each repeat but for its points at the places `without`; None if there
    are not `enough` others."""
    kept = [[p for p in measured if p.place not in without] for measured in repeats]
    models = [model for model in map(fit, kept) if model is not None]
    return Fitted(tuple(models), tuple(kept[0])) if models else None


def held_out(measured: Sequence[Point]) -> list[Place]:
    """The places to test the model on, whatever was measured there: a fourth of them, by turns of
    each number of workers, several workers before one, and the middle ones (by width and batch)
    before the outer, the next number beginning one further, so that not all are of one width.

    One that could not be told from the places that are left is not held out, so a few places may
    have none.
    """
    by_workers: dict[int, list[Point]] = {}
    for p in sorted(measured, key=lambda p: (p.workers == 1, p.workers, p.width, p.batch)):
        by_workers.setdefault(p.workers, []).append(p)
    queues = [_middle_first(inside, at=i) for i, inside in enumerate(by_workers.values())]
    turns = [queue[i] for i in range(len(measured)) for queue in queues if i < len(queue)]
    found: list[Place] = []
    for candidate in turns:
        if len(found) == len(measured) // 4:
            break
        tried = [*found, candidate.place]
        left = fit_each([measured], tried)
        tested = [p for p in measured if p.place in tried]
        if left and all(_told(left, p) for p in tested):
            found = tried
    return found


def errors(fitted: Fitted, repeats: Repeats, places: Sequence[Place]) -> list[list[float]]:
    """By repeat, the relative errors at these places of the model fitted to that repeat."""
    return [
        [relative_error(model, p) for p in measured if p.place in places]
        for model, measured in zip(fitted.models, repeats, strict=True)
    ]


def extrapolated(repeats: Repeats) -> tuple[int, list[list[float]]] | None:
    """The largest number of workers, and by repeat the relative errors at all its points of the
    model fitted without them. None where the others do not tell them."""
    most = max(p.workers for p in repeats[0])
    beyond = [p for p in repeats[0] if p.workers == most]
    fitted = fit_each(repeats, [p.place for p in beyond])
    if fitted is None or not all(_told(fitted, p) for p in beyond):
        return None
    return most, errors(fitted, repeats, [p.place for p in beyond])


def _middle_first(ordered: Sequence[Point], at: int) -> list[Point]:
    """From the middle to the ends, beginning with the one at this place of that order."""
    last = len(ordered) - 1
    found = [ordered[i] for i in sorted(range(last + 1), key=lambda i: abs(2 * i - last))]
    begun = at % len(found)
    return [*found[begun:], *found[:begun]]


def _told(fitted: Fitted, p: Point) -> bool:
    return fitted.tells_step(p.workers, p.batch, p.width, p.gradient_bytes)


def _compute_row(samples: float, width: int, gradient_bytes: float) -> list[float]:
    return [1.0, gradient_bytes, *_sample_row(samples, width)]


def _sample_row(samples: float, width: int) -> list[float]:
    return [samples, samples * width, samples * width**2]


def _compute_rows(measured: Sequence[Point]) -> list[list[float]]:
    return [
        _compute_row(math.ceil(p.batch / p.workers), p.width, p.gradient_bytes) for p in measured
    ]


def _communication_row(workers: int, gradient_bytes: float) -> list[float]:
    return [float(messages(workers)), sent(workers, gradient_bytes)]


def _communication_rows(together: Sequence[Point]) -> list[list[float]]:
    return [_communication_row(p.workers, p.gradient_bytes) for p in together]


def _settled(rows: Sequence[Sequence[float]], row: Sequence[float]) -> bool:
    """Whether `row` is a combination of `rows`, but for rounding."""
    known = np.asarray(rows, dtype=float)
    sizes = np.linalg.norm(known, axis=0)
    known, asked = known / sizes, np.asarray(row) / sizes
    _, strengths, directions = np.linalg.svd(known, full_matrices=False)
    basis = directions[strengths > 1e-9 * strengths[0]]
    beside = asked - basis.T @ (basis @ asked)
    return bool(np.linalg.norm(beside) <= 1e-6 * np.linalg.norm(asked))


def _least_squares(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float]:
    scaled = np.asarray(rows) / np.asarray(seconds)[:, None]
    # Columns of one size: samples and bytes are many orders of magnitude apart.
    sizes = np.linalg.norm(scaled, axis=0)
    found, _ = nnls(scaled / sizes, np.ones(len(seconds)))
    # What is left of rounding would be a term of its own: a sample that costs next to nothing.
    found[found < 1e-9 * found.max()] = 0.0
    return [float(value) for value in found / sizes]
