"""Claim: one that this command cannot test."""

from __future__ import annotations

from study.claims.evidence import Evidence
from study.claims.verdict import NOT_TESTED, Verdict


def verdict(evidence: Evidence, *, why: str) -> Verdict:
    """Return that the claim is not tested, and `why`."""
    return Verdict(NOT_TESTED, why)
