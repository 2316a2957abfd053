"""The reproduction: which studies it trains at the published budget, and with how many seeds.

The seeds are chosen before the runs. Where a study had run before, they follow from its spread. A
claim that stays undecided says how many seeds would decide it (see `docs/verdicts.md`).
"""

from __future__ import annotations

from dataclasses import dataclass

PUBLISHED = "paper"
"""the budget at which the reports trained"""

_NO_SPREAD = "no earlier run shows a spread to plan by"
_CLOSE = "its best accuracies, 99.0 to 99.3%, lie too close for five seeds"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One run of the reproduction."""

    study: str
    grids: tuple[str, ...] = ()
    """names of the grids to train; empty: all that the report published"""
    seeds: int
    reason: str
    """why this many seeds"""

    @property
    def name(self) -> str:
        """The name of the run's folder: the study and the grids."""
        return "-".join((self.study, *self.grids))


PARTS = (
    Part(
        study="fan",
        seeds=25,
        reason="three seeds left 18 of 41 claims undecided, and 12 would decide them at that "
        "spread; twice as many, since three seeds estimate a spread poorly",
    ),
    Part(study="fan", grids=("large-rates",), seeds=5, reason=_NO_SPREAD),
    Part(study="upc-line", seeds=1, reason="nothing in it is random"),
    Part(
        study="upc-optimizers",
        grids=("softmax",),
        seeds=25,
        reason="neighboring rates are alike at the two printed digits, and in fleets a seed takes "
        "seconds",
    ),
    Part(study="upc-optimizers", grids=("deep-mnist",), seeds=5, reason=_NO_SPREAD),
    *(Part(study=f"upc-batches-4.{n}", seeds=5, reason=_NO_SPREAD) for n in (1, 2, 3, 6)),
    *(Part(study=f"upc-batches-4.{n}", seeds=10, reason=_CLOSE) for n in (4, 5)),
    # All claims are about the report's net; `lenet` is this project's own addition.
    Part(study="cs5260", grids=("lenet5-tanh",), seeds=5, reason=_NO_SPREAD),
    Part(study="flux", grids=("stochastic",), seeds=5, reason=_NO_SPREAD),
    Part(study="flux", grids=("mini-batch",), seeds=5, reason=_NO_SPREAD),
    # Some conclusions are about all variants. The trials of the two above are reused.
    Part(study="flux", seeds=5, reason=_NO_SPREAD),
)

SEEDS_SEEN = {
    ("fan", "tuned-sgd-beats-adam"): 3,
    ("fan", "table-1-convergence-faster"): 3,
}
"""How many seeds, from 0 on, had been seen when the rule of a claim was set, by study and claim. A
rule that fits the data by which it was set proves nothing, so later seeds alone judge it."""
