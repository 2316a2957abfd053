"""Check what a study declares for its report, before anything is trained."""

from __future__ import annotations

from search_spaces.study import Study
from study.claims.judge import KINDS as CLAIMS
from study.figures.draw import KINDS as FIGURES
from study.tables.make import KINDS as TABLES


def check_declared(study: Study) -> None:
    """Raise `ConfigError` if the kind of a figure, table or claim does not take its options."""
    for figure in study.figures:
        FIGURES.check(figure, None, figure.title)
    for table in study.tables:
        TABLES.check(table, None)
    for claim in study.claims:
        CLAIMS.check(claim, None)
