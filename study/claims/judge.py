"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

from search_spaces.study import Claim, Study
from study.analysis.results import Results
from study.claims.evidence import Evidence, Untestable
from study.claims.verdict import NOT_TESTED, Verdict
from study.kinds import Kinds

KINDS = Kinds("study.claims", "verdict", "claim", frozenset({"judge", "evidence", "verdict"}))


def judge_all(study: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Return each claim of the study with its verdict.

    A claim is about all published points with its settings. Other points that a run has do not
    count, and a missing one leaves the claim untested.

    Raises: ConfigError if a kind does not exist or does not take the options of a claim.
    """
    dimensions = list(study.dimensions)
    by_budget = {name for settings in study.budgets.values() for name in settings}
    evidence = Evidence(
        results,
        stochastic=study.stochastic,
        published=[
            {name: getattr(trial.config, name) for name in dimensions}
            for trial in study.plan("paper", seeds=1)
        ],
        # The report names a smaller budget beside the verdicts, so it leaves no claim untested.
        fixed={
            name: value
            for name, value in study.fixed.items()
            if name not in dimensions and name not in by_budget
        },
    )
    return [(claim, judge(claim, evidence)) for claim in study.claims]


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """Return the verdict on one claim."""
    try:
        verdict: Verdict = KINDS.call(claim, evidence)
    except Untestable as reason:
        return Verdict(NOT_TESTED, str(reason))
    return verdict
