"""Which verdicts of a run differ from those of an earlier report: claims as regression tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lenet.config import ConfigError


def verdict_changes(earlier: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line for each claim of `earlier` whose verdict differs in `now`.

    Both map claims to verdicts. A claim that `now` lacks counts as changed. A claim that only `now`
    has is new, and does not count.
    """
    return [
        f"Changed: {claim} was {verdict}, and is {now.get(claim, 'not judged')} now"
        for claim, verdict in earlier.items()
        if now.get(claim) != verdict
    ]


def read_verdicts(path: Path) -> dict[str, str]:
    """Read the verdict of each claim from the `claims.csv` of a report.

    Raises: ConfigError if the file is missing or is not such a table.
    """
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing, so there are no verdicts to compare: does the study have claims?"
        )
    try:
        table = pd.read_csv(path)
        return dict(zip(table["claim"], table["verdict"], strict=True))
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{path} is no table of claims ({error}): name a claims.csv") from None
