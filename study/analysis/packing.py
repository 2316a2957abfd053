"""How the trials of a run were packed: which were trained alone, and which in fleets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pandas as pd

from study.analysis.wording import pluralize

Member = Hashable
"""what identifies a trial in several runs"""


def fleets(trials: pd.DataFrame, members: Sequence[Member]) -> list[frozenset[Member]]:
    """Return the members of each fleet, in the order of `trials`.

    `members`: what identifies each row of `trials`. A run that reused trials may hold only some
    members of a fleet, even one. Runs from before the column `fleet` existed have no fleets.
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
    """Return `2 fleets of 3, 6 trials alone`, or `each trial alone`.

    Of a fleet that the run holds in part, the text has its whole size: `1 trial in 1 fleet of 2`.
    """
    held = fleets(trials, trials["trial"].tolist())
    if not held:
        return "each trial alone"
    packed = trials[trials["trial"].isin(frozenset().union(*held))]
    sizes = sorted(packed["fleet_size"].astype(int))
    of = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    text = f"{pluralize(len(held), 'fleet')} of {of}"
    whole = packed.set_index("trial")["fleet_size"].to_dict()
    if any(len(fleet) < whole[next(iter(fleet))] for fleet in held):
        text = f"{pluralize(len(packed), 'trial')} in {text}"
    alone = len(trials) - len(packed)
    return f"{text}, {pluralize(alone, 'trial')} alone" if alone else text
