"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

from search_spaces.study import Claim, Study
from study.analysis.results import Results
from study.claims import ClaimError
from study.claims.evidence import Evidence, Verdict
from study.kinds import Kinds

KINDS = Kinds("study.claims", "verdict", "claim", frozenset({"judge", "evidence"}), ClaimError)


def judge_all(asked: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Each claim of the study with its verdict, in order.

    Raises `ClaimError` on a kind that does not exist, or options that it does not take.
    """
    evidence = Evidence(results, asked.drawn)
    return [(claim, KINDS.call(claim, evidence)) for claim in asked.claims]
