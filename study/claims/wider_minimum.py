"""Claim: the loss of one ramp has a wider valley around its minimum than another ramp's loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from study.analysis.quantity import END
from study.analysis.ramp_minimum import valley_decades
from study.analysis.statistics import UNBOUNDED
from study.claims.evidence import Evidence, paired_differences
from study.claims.verdict import Bounds, Verdict


def verdict(
    evidence: Evidence,
    *,
    wider: Mapping[str, Any],
    than: Mapping[str, Any],
    share: float,
    quantity: str = "test_loss",
) -> Verdict:
    """Judge whether the ramp `wider` has a more gradual minimum than the ramp `than`.

    The valley of a minimum is the range of learning rates around it at which `quantity` exceeds it
    by at most `share` of its fall. The widths, in powers of ten, are paired by seed.
    """

    def widths(where: Mapping[str, Any]) -> pd.DataFrame:
        trials = evidence.measure(where, quantity, END)
        rows = trials.to_dict("records")
        values = [valley_decades(evidence.results, row, quantity, share) for row in rows]
        return trials.assign(value=values, diverged_before=False)

    points = paired_differences(widths(wider), widths(than), (), averaged=False)
    return evidence.judge(points, Bounds(low=0.0), "{:+.2f} powers of ten".format, UNBOUNDED)
