"""Shares of successes, and the exact interval of the probability behind them."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import betaincinv

from study.analysis.statistics import CONFIDENCE


@dataclass(frozen=True)
class Proportion:
    """A share of `count` in `total`, with its interval."""

    count: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.count / self.total


def proportion(count: int, total: int, confidence: float = CONFIDENCE) -> Proportion:
    """Return the share with its exact binomial interval.

    It is the Clopper-Pearson interval (The Use of Confidence or Fiducial Limits Illustrated in the
    Case of the Binomial, Biometrika 26, 1934). It holds every probability at which `count` or fewer
    successes, and `count` or more, each have a chance of at least half of the error. If the cases
    are independent, it covers the true probability at least as often as `confidence` says.
    """
    tail = (1 - confidence) / 2
    low = betaincinv(count, total - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, total - count, 1 - tail) if count < total else 1.0
    return Proportion(count, total, float(low), float(high))
