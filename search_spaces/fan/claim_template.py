"""The form of a claim about the optimizers: a sentence of Fan's text, without numbers."""

from typing import Any

from search_spaces.study import Claim


def claim(name: str, source: str, statement: str, kind: str, **options: Any) -> Claim:
    """Return a claim of the report that prints no numbers; `source` is its section or figure."""
    return Claim(
        name=name,
        source=f"Fan, {source}",
        statement=statement,
        published="none",
        kind=kind,
        options=options,
    )
