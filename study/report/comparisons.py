"""Whether a winner may be announced: of all points, and of the optimizers."""

from __future__ import annotations

from collections.abc import Sequence

from study.analysis.leader import Lead
from study.analysis.optimizer_pairs import OptimizerPair
from study.analysis.results import Results
from study.analysis.wording import (
    format_interval,
    format_measurement,
    label,
    pluralize,
)
from study.analysis.workloads import reported_quantity
from study.claims.verdict import LEAST_SEEDS

_MAX_PAIRS = 3
"""The most pairs of optimizers that are described one by one."""


def lead_line(lead: Lead) -> str:
    """Say whether the best point is a winner, and how many more seeds would decide."""
    others = pluralize(lead.rivals, "other")
    if lead.seeds < LEAST_SEEDS:
        return f"No clear winner: one seed has no interval; it takes {LEAST_SEEDS}"
    if lead.is_winner:
        return f"Clear winner: ahead of {_all(lead.rivals)} at the 95% level"
    if lead.tied:
        rest = lead.undecided - lead.tied
        more = f", and {rest:,} more not told apart" if rest else ""
        tied = _all(1) if lead.rivals == 1 else f"{lead.tied:,} of {others}"
        return f"No clear winner: tied with {tied}{more}"
    if lead.seeds_needed is None:
        more = "no number of seeds is known to decide"
    else:
        more = f"{_more_seeds(lead.seeds_needed - lead.seeds)} would decide"
    return f"No clear winner: {lead.undecided:,} of {others} not told apart; {more}"


def pair_lines(pairs: Sequence[OptimizerPair], results: Results) -> list[str]:
    """Describe the comparison of tuned optimizers: a line per pair, or a summary of many.

    There are no lines for a single seed, which cannot compare anything.
    """
    if not pairs or pairs[0].comparison.seeds < LEAST_SEEDS:
        return []
    quantity = reported_quantity(results)
    first = pairs[0].comparison
    lines = [
        f"Each tuned at every point; {label(quantity)}; {pluralize(first.points, 'point')}, "
        f"{pluralize(first.seeds, 'seed')}; paired t-test over seeds, Holm's correction"
    ]
    if len(pairs) <= _MAX_PAIRS:
        return lines + [_pair_line(pair, quantity) for pair in pairs]
    decided = [pair for pair in pairs if pair.is_decided]
    lines.append(f"{len(decided):,} of {len(pairs):,} pairs are told apart")
    names = {name for pair in pairs for name in (pair.better, pair.worse)}
    for name in sorted(names):
        if sum(pair.better == name for pair in decided) == len(names) - 1:
            lines.append(f"{name} is ahead of every other")
    return lines


def _pair_line(pair: OptimizerPair, quantity: str) -> str:
    comparison = pair.comparison
    difference = format_interval(
        comparison.mean,
        comparison.low,
        comparison.high,
        lambda value: format_measurement(quantity, value),
    )
    if comparison.low == comparison.high == 0:
        return f"{pair.better} and {pair.worse} are equal in all seeds"
    unit = " points" if quantity.endswith("_accuracy") else ""
    text = f"{pair.better} ahead of {pair.worse} by {difference}{unit}"
    if comparison.mean == 0:
        text = f"{pair.better} and {pair.worse} equal on the mean ({difference}{unit})"
    if pair.is_decided:
        return f"{text}: told apart"
    if comparison.seeds_needed is None:
        return f"{text}: not told apart, and no number of seeds is known to decide"
    more = _more_seeds(comparison.seeds_needed - comparison.seeds)
    return f"{text}: not told apart; {more} would tell them apart"


def _all(rivals: int) -> str:
    return "the other one" if rivals == 1 else f"all {rivals:,} others"


def _more_seeds(count: int) -> str:
    return f"{count:,} more {'seed' if count == 1 else 'seeds'}"
