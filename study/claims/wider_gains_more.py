"""Claim: the wider the net, the more time several workers save."""

from __future__ import annotations

from collections.abc import Sequence

from study.analysis.statistics import NON_NEGATIVE
from study.claims.evidence import Evidence, Untestable
from study.claims.time_ratio import Workers, time_ratios
from study.claims.verdict import Bounds, SeedValues, Verdict


def verdict(evidence: Evidence, *, of: Sequence[Workers], to: Workers) -> Verdict:
    """Judge whether each of `of` takes a smaller multiple of the time of `to` in the widest net.

    The ratio of the times (see `time_ratio.time_ratios`) in the widest net of the run, minus the
    ratio at width 1, must be negative, paired by repeat.

    Raises: Untestable if the run has a single width, or as `time_ratios` does.
    """
    narrow = time_ratios(evidence, of=of, to=to, width=1)
    widest = int(evidence.results.completed["width"].max())
    if widest == 1:
        raise Untestable("this run has one width of the net: add wider ones by --set width=1,4")
    wide = time_ratios(evidence, of=of, to=to, width=widest)
    points = []
    for pair, ratio in wide.items():
        difference = (ratio - narrow[pair]).dropna()
        if difference.empty:
            raise Untestable(f"no repeat of this run has both widths of {pair}")
        points.append(SeedValues(f"{pair}, width {widest} minus 1", difference.tolist()))
    return evidence.judge(
        points,
        Bounds(high=0.0),
        lambda value: f"{value:+.2f} times the time",
        NON_NEGATIVE.of_differences(),
    )
