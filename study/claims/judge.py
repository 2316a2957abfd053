"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import study.claims
from lenet.config import nearest
from search_spaces.study import Claim, Study
from study.analysis.results import Results
from study.claims import ClaimError
from study.claims.evidence import Evidence, Verdict

_NO_KINDS = {"evidence", "judge"}


def judge_all(asked: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Each claim of the study with its verdict, in order.

    Raises `ClaimError` on a kind that does not exist, or options that it does not take.
    """
    evidence = Evidence(results, asked.drawn)
    judged = []
    for claim in asked.claims:
        verdict = kind(claim.kind)
        try:
            inspect.signature(verdict).bind(evidence, **claim.options)
        except TypeError as error:
            raise ClaimError(f"claim {claim.name}, of kind {claim.kind}: {error}") from None
        judged.append((claim, verdict(evidence, **claim.options)))
    return judged


def kind(name: str) -> Callable[..., Verdict]:
    """The judging function of a kind of claim; raises `ClaimError` naming the nearest."""
    known = {module.name for module in pkgutil.iter_modules(study.claims.__path__)} - _NO_KINDS
    if name not in known:
        raise ClaimError(nearest(name, known, "kind of claim"))
    verdict: Callable[..., Verdict] = importlib.import_module(f"study.claims.{name}").verdict
    return verdict
