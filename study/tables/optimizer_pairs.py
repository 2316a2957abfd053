"""Table: every pair of optimizers, each tuned, over the same seeds and points."""

from __future__ import annotations

import pandas as pd

from study.analysis.optimizer_pairs import OptimizerPair, optimizer_pairs
from study.analysis.results import Results
from study.analysis.wording import format_interval, format_measurement, label
from study.analysis.workloads import reported_quantity


def make(results: Results) -> pd.DataFrame:
    """Return a row per pair: the difference with its interval, tests, effect sizes, the outcome.

    An empty frame if fewer than two optimizers share seeds and points.
    """
    quantity = reported_quantity(results)
    rows = []
    for pair in optimizer_pairs(results):
        comparison = pair.comparison

        def in_units(value: float) -> str:
            return format_measurement(quantity, value)

        difference = format_interval(comparison.mean, comparison.low, comparison.high, in_units)
        rows.append(
            {
                "better": pair.better,
                "worse": pair.worse,
                "compared": label(quantity),
                "ahead by": difference,
                "p over seeds": _format_p(pair.p_seeds),
                "p over pairs": _format_p(pair.p_pairs),
                "rank-biserial": f"{comparison.effect:+.2f}",
                "probability of improvement": format_interval(
                    pair.improvement.value,
                    pair.improvement.low,
                    pair.improvement.high,
                    "{:.2f}".format,
                ),
                "points": str(comparison.points),
                "seeds": str(comparison.seeds),
                "outcome": _outcome(pair),
            }
        )
    return pd.DataFrame(rows)


def _format_p(p: float) -> str:
    if p != p:
        return "-"
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _outcome(pair: OptimizerPair) -> str:
    if pair.is_decided:
        return f"{pair.better} is ahead"
    comparison = pair.comparison
    if comparison.seeds < 2:
        return "not told apart: one seed"
    needed = comparison.seeds_needed
    return "not told apart" + ("" if needed is None else f": {needed} seeds would decide")
