"""Check what a study declares for its report, before anything is trained."""

from __future__ import annotations

import search_spaces
from search_spaces.study import Study


def check_declared(study: Study) -> None:
    """Raise `ConfigError` if the kind of a figure, table or claim does not take its options.

    The declarations of this project's studies are tested, and not checked again.
    """
    if search_spaces.studies().get(study.name) is study:
        return
    # These import scipy and matplotlib, which takes seconds.
    from study.claims.judge import KINDS as CLAIMS
    from study.figures.draw import KINDS as FIGURES
    from study.tables.make import KINDS as TABLES

    for figure in study.figures:
        FIGURES.check(figure, None, figure.title)
    for table in study.tables:
        TABLES.check(table, None)
    for claim in study.claims:
        CLAIMS.check(claim, None)
