"""The figures that only some kinds of runs have: range tests, searches, numbers of workers.

A figure is a dict for the page's script: `id`, `title`, `note`, and `variants` to choose from. A
variant has a `label`, its axes `x` and `y` (`label`; `kind`: linear, log or none to choose;
`percent`; `ticks`: pairs of value and text; `domain`) and `panels` of series (see `series`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from study.analysis.range_test import ramp_trials
from study.analysis.search import is_search
from study.analysis.speedup import is_scaling
from study.report.findings import Findings
from study.report.page import hardware, range_test, search


def describe_figures(findings: Findings) -> list[dict[str, Any]]:
    """Return the figures that this kind of run has besides curves and final values."""
    results = findings.results
    figures: Iterable[dict[str, Any]] = ()
    if is_scaling(results):
        figures = hardware.describe(results)
    elif is_search(results):
        figures = search.describe(results)
    elif len(ramp_trials(results)):
        figures = range_test.describe(results, range_test.quantity_of(findings.study))
    return list(figures)
