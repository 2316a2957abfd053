"""Every pair of optimizers of a run, compared over the same seeds and workloads."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from study.analysis import paired
from study.analysis.paired import PairedComparison
from study.analysis.resampling import Estimate, probability_of_improvement, stratified_bootstrap
from study.analysis.results import Results
from study.analysis.statistics import CONFIDENCE
from study.analysis.workloads import is_compared, tuned_scores


@dataclass(frozen=True)
class OptimizerPair:
    """Two tuned optimizers; the first has the better mean."""

    better: str
    worse: str
    comparison: PairedComparison
    p_seeds: float
    """`comparison.p_seeds`, corrected by Holm's rule for the number of pairs"""
    p_pairs: float
    """`comparison.p_pairs`, corrected likewise"""
    improvement: Estimate
    """probability that `better` has the better result, with its bootstrap interval"""

    @property
    def is_decided(self) -> bool:
        """Whether `better` is announced as ahead."""
        return self.p_seeds < 1 - CONFIDENCE


def optimizer_pairs(results: Results) -> list[OptimizerPair]:
    """Return all pairs of optimizers, in the order of their names; none in a search.

    See `study.analysis.workloads` for what is compared.
    """
    if not is_compared(results):
        return []
    scores = {name: frame for name, frame in tuned_scores(results).items() if frame.size}
    pairs = list(itertools.combinations(scores, 2))
    compared = []
    for pair in pairs:
        better, worse = sorted(pair, key=lambda name: -float(scores[name].to_numpy().mean()))
        ours, theirs = scores[better], scores[worse]
        # Both diverged: the difference of two infinite losses counts as 0.
        differences = (ours - theirs).where(ours != theirs, 0.0).to_numpy()
        comparison = paired.compare(differences, len(pairs))
        improvement = stratified_bootstrap(
            probability_of_improvement, ours.to_numpy(), theirs.to_numpy()
        )
        compared.append((better, worse, comparison, improvement))
    by_seeds = paired.holm([comparison.p_seeds for *_, comparison, _ in compared])
    by_pairs = paired.holm([comparison.p_pairs for *_, comparison, _ in compared])
    return [
        OptimizerPair(better, worse, comparison, p_seeds, p_pairs, improvement)
        for (better, worse, comparison, improvement), p_seeds, p_pairs in zip(
            compared, by_seeds, by_pairs, strict=True
        )
    ]
