"""What the rows of the table have in common: a function that measures, and the ways to measure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.machine import median_interval
from benchmarks.table import TIMES, Line


@dataclass(frozen=True)
class Row:
    """A row of the list of benchmarks, which measures one or several lines of the table."""

    name: str
    baseline: str
    """what ours is compared with"""
    measure: Callable[[bool], Iterator[Line]]
    """takes whether to be quick: a smoke test, whose numbers mean nothing"""


def take_turns(rounds: int, *blocks: Callable[[], object], warm_up: int = 1) -> list[list[float]]:
    """Return the seconds of each block in each round; in a round, the blocks take turns.

    So other work on the machine slows all of them. Rounds before the first are not counted.
    """
    seconds: list[list[float]] = [[] for _ in blocks]
    for number in range(-warm_up, rounds):
        for block, of_block in zip(blocks, seconds, strict=True):
            started = time.perf_counter()
            block()
            if number >= 0:
                of_block.append(time.perf_counter() - started)
    return seconds


def line(
    what: str,
    values: Sequence[float],
    unit: str = TIMES,
    *,
    at_least: float = math.nan,
    at_most: float = math.nan,
    x: float = math.nan,
    note: str = "",
) -> Line:
    """Return the line of `values`, one of each round."""
    value, low, high = median_interval(values)
    if len(values) == 1:
        low = high = math.nan
    return Line(what, unit, value, low, high, len(values), at_least, at_most, x, note)


def quotients(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return one / other of each round."""
    return [one / other for one, other in zip(ones, others, strict=True)]
