"""One learning rate from all rules, seeds and ramps of a range test, with the reason in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.analysis.range_test import Suggestion, verification_lr
from study.analysis.verification import RangeTestCase
from study.analysis.wording import format_percent, pluralize

_AGREEMENT = 3.0
"""Suggestions within this factor agree. Neighbors of the rounded rates 1, 2, 5, 10 are 2 to 2.5
times apart, so such suggestions differ by about one step."""


@dataclass(frozen=True)
class Recommendation:
    """The learning rate to use for one optimizer."""

    lr: float | None
    """rounded to 1, 2 or 5 times a power of ten; None if no rule found any"""
    reason: str
    """a few sentences: which rules, how well they and the seeds agree, and what to change"""
    advice: str = ""
    """why there is no learning rate, and what to change; empty if there is one"""


def recommend(case: RangeTestCase) -> Recommendation:
    """Recommend a learning rate.

    With verification, it is the one that trained best. Without, it is the median, on a log scale,
    of the suggestions of all rules and ramps that are not flagged. The rules' names promise more
    precision than they have, and no single rule was the best for all optimizers
    (docs/results/lr-range).
    """
    suggestions = [suggestion for ramp in case.ramps for suggestion in ramp.suggestions]
    usable = [s for s in suggestions if s.lr is not None and s.problem is None]
    sentences = []
    lr = case.best_lr
    if lr is not None:
        sentences.append(_trained(case, lr))
    if usable:
        median = verification_lr(float(10 ** np.median([np.log10(s.lr) for s in usable if s.lr])))
        sentences.append(_agreement(usable, median))
        lr = median if lr is None else lr
    flagged = [s for s in suggestions if s.lr is not None and s.problem]
    missing = [s for s in suggestions if s.lr is None]
    if usable and flagged:
        sentences.append(f"Not trusted: {_names(case, flagged)} (see the notes below).")
    if usable and missing:
        count = f"{len(missing)} of {pluralize(len(suggestions), 'suggestion')} missing"
        sentences.append(f"{count}: {_advice(missing)}.")
    advice = "" if usable else _advice(flagged + missing)
    if not usable:
        sentences.append(f"The ramp shows no learning rate: {advice}.")
        if flagged:
            lrs = [s.lr for s in flagged if s.lr is not None]
            span = f"{min(lrs):.2g} to {max(lrs):.2g}"
            sentences.append(f"These rules answer anyway, with {span}: {_names(case, flagged)}.")
    return Recommendation(lr, " ".join(sentences), advice if lr is None else "")


def _names(case: RangeTestCase, suggestions: list[Suggestion]) -> str:
    """Return the rules of these suggestions, by ramp if there are several."""
    by_ramp = {
        ramp.name: ", ".join(s.rule.name for s in ramp.suggestions if s in suggestions)
        for ramp in case.ramps
    }
    if len(by_ramp) == 1:
        return next(iter(by_ramp.values()))
    return "; ".join(f"on {ramp} {names}" for ramp, names in by_ramp.items() if names)


def _advice(suggestions: list[Suggestion]) -> str:
    """Return the advice of the most common problem of these suggestions."""
    problems = [s.problem for s in suggestions if s.problem]
    return max(dict.fromkeys(problems), key=problems.count).advice


def _trained(case: RangeTestCase, lr: float) -> str:
    """Say how well `lr` trained, and whether a better one may lie beyond."""
    count = len(case.accuracies)
    over_seeds = case.accuracies.loc[lr].dropna().to_numpy(dtype=float)
    accuracy = format_percent(float(over_seeds.mean()))
    seeds = pluralize(len(over_seeds), "seed")
    text = f"Best of {pluralize(count, 'learning rate')} trained: {accuracy} % over {seeds}."
    if count > 1 and lr in (case.accuracies.index.min(), case.accuracies.index.max()):
        side = "lowest" if lr == case.accuracies.index.min() else "highest"
        text += f" It is the {side} of them: a better one may lie beyond."
    return text


def _agreement(usable: list[Suggestion], median: float) -> str:
    """Say which rules the median covers, and how well they and their seeds agree."""
    lrs = [s.lr for s in usable if s.lr is not None]
    names = ", ".join(dict.fromkeys(s.rule.name for s in usable))
    if len(usable) == 1:
        text = f"Suggested by one rule, {names}: {lrs[0]:.2g}"
    else:
        low, high = min(lrs), max(lrs)
        verb = "agree" if high <= _AGREEMENT * low else "disagree"
        text = (
            f"Rules {verb}: {median:g} is the median of {names}, which say {low:.2g} to {high:.2g}"
        )
    spread = max(_spread_of_seeds(s) for s in usable)
    if spread > 1:
        text += f"; seeds of a rule differ by up to {float(f'{spread:.2g}'):g} times"
    return f"{text}."


def _spread_of_seeds(suggestion: Suggestion) -> float:
    """Return the highest learning rate over the seeds, divided by the lowest."""
    lrs = [reading.lr for reading in suggestion.readings if reading.lr is not None]
    return max(lrs) / min(lrs)
