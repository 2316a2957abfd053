"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

from search_spaces.study import Claim, Study
from study.analysis.results import Results
from study.claims import ClaimError
from study.claims.evidence import NOT_TESTED, Evidence, Untestable, Verdict
from study.kinds import Kinds

KINDS = Kinds("study.claims", "verdict", "claim", frozenset({"judge", "evidence"}), ClaimError)


def judge_all(asked: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Each claim of the study with its verdict, in order.

    A claim is about all the points of the study as published that it names: what a run tried
    beside them does not count, and one of them missing leaves the claim untested. Raises
    `ClaimError` on a kind that does not exist, or options that it does not take.
    """
    names = list(asked.dimensions)
    plan = asked.plan("paper", seeds=1)
    evidence = Evidence(
        results,
        drawn=asked.drawn,
        published=[{name: getattr(p.config, name) for name in names} for p in plan],
        fixed={
            name: value
            for name, value in asked.fixed.items()
            # What a budget cuts short is said beside the verdicts.
            if name not in names and not any(name in each for each in asked.budgets.values())
        },
    )
    return [(claim, judge(claim, evidence)) for claim in asked.claims]


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """The verdict on one claim."""
    try:
        verdict: Verdict = KINDS.call(claim, evidence)
    except Untestable as reason:
        return Verdict(NOT_TESTED, str(reason))
    return verdict
