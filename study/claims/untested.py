"""A claim that this command cannot test."""

from __future__ import annotations

from study.claims.evidence import NOT_TESTED, Evidence, Verdict


def verdict(evidence: Evidence, *, why: str) -> Verdict:
    """Not tested, and why."""
    return Verdict(NOT_TESTED, why)
