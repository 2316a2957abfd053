"""The claims of a run's study with their verdicts, as a table."""

from __future__ import annotations

import pandas as pd

from study.report.findings import Findings

_COLUMNS = (
    *("claim", "verdict", "seeds", "confidence", "seeds_needed", "certainty", "says", "source"),
    *("published", "evidence", "judged_by"),
)


def claims_table(findings: Findings) -> pd.DataFrame:
    """Return a row per claim.

    Columns: `claim`; `verdict`; `seeds` (of the point with the fewest); `confidence` (the highest
    level at which the verdict holds, in [0, 1]); `seeds_needed` (to decide the claim); `certainty`
    (these in words); `says`, `source` and `published` of the claim; `evidence` (the numbers
    measured); `judged_by` (the run).
    """
    rows = [
        (
            *(claim.name, verdict.verdict, verdict.seeds, verdict.confidence),
            *(verdict.seeds_needed, verdict.certainty, claim.statement, claim.source),
            *(claim.published, verdict.evidence, findings.provenance),
        )
        for claim, verdict in findings.judged
    ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.astype({"seeds": "Int64", "seeds_needed": "Int64"})
