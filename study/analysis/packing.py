"""How the trials of a run were packed: which were trained alone, and which in fleets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pandas as pd

from study.analysis.wording import pluralize

Member = Hashable
"""what identifies a trial in several runs"""


def fleets(trials: pd.DataFrame, members: Sequence[Member]) -> list[frozenset[Member]]:
    """Return the members of each fleet of two trials or more, in the order of `trials`.

    `members`: what identifies each row of `trials`. A run reused from others may hold only some
    members of a fleet. Runs from before the column `fleet` existed have no fleets.
    """
    if "fleet" not in trials:
        return []
    origin = trials["reused"] if "reused" in trials else pd.Series("", index=trials.index)
    packed = trials["fleet"].fillna("").ne("")
    found: dict[tuple[str, str], list[Member]] = {}
    for member, fleet, run, is_packed in zip(
        members, trials["fleet"], origin.fillna(""), packed, strict=True
    ):
        if is_packed:
            found.setdefault((run, fleet), []).append(member)
    return [frozenset(of_fleet) for of_fleet in found.values()]


def describe(trials: pd.DataFrame) -> str:
    """Return `2 fleets of 3, 6 trials alone`, or `each trial alone`."""
    sizes = sorted(map(len, fleets(trials, trials["trial"].tolist())))
    if not sizes:
        return "each trial alone"
    of = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    alone = len(trials) - sum(sizes)
    rest = f", {pluralize(alone, 'trial')} alone" if alone else ""
    return f"{pluralize(len(sizes), 'fleet')} of {of}{rest}"
