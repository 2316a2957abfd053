"""Regrouping of a fleet that failed again after its retry, into halves or single trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.study import PlannedTrial
from study.analysis.wording import pluralize
from study.cluster.checkpoint import split_checkpoint, subset_of_checkpoint
from study.runs.fleet_checkpoint import FleetCheckpoint
from study.runs.run_folder import RunFolder
from study.tuning.packing import FleetNames, as_fleet


@dataclass(frozen=True)
class BrokenFleet:
    """A fleet that failed again after its retry: the error, and its unfinished members by name."""

    error: str
    out_of_memory: bool
    members: Sequence[str]


def regroup(
    folder: RunFolder, broken: Mapping[str, BrokenFleet]
) -> tuple[list[PlannedTrial], list[str]]:
    """Plan the unfinished trials of broken fleets again, from their last checkpoint.

    A fleet of four or more that ran out of memory is divided in two. The trials of any other broken
    fleet go on alone, so that one bad trial takes no other down.

    Returns: the trials, and a line about each fleet.
    """
    regrouped: list[PlannedTrial] = []
    lines = []
    for fleet, failure in broken.items():
        plan = folder.plan
        names = set(failure.members)
        members = sorted((p for p in plan if p.name in names), key=lambda p: p.slot)
        checkpoint = FleetCheckpoint(folder.home, fleet)
        content = checkpoint.read()
        half = len(members) // 2
        if failure.out_of_memory and half > 1:
            new_names = FleetNames(plan)
            halves = [as_fleet(part, new_names) for part in (members[:half], members[half:])]
            new = [*halves[0], *halves[1]]
            first, second = (part[0].fleet for part in halves)
            for name, part in zip((first, second), halves, strict=True):
                states = subset_of_checkpoint(content, {planned.name for planned in part})
                if states is not None:
                    FleetCheckpoint(folder.home, name).write(states)
            lines.append(
                f"{fleet} ran out of memory: its {len(members)} trials go on as {first} and "
                f"{second}"
            )
        else:
            new = [dataclasses.replace(planned, fleet="", slot=0) for planned in members]
            split_checkpoint(content, {p.name: folder.trial(p.name) for p in new})
            left = pluralize(len(new), "unfinished trial")
            lines.append(
                f"{fleet} failed again ({failure.error}): its {left} will be trained alone"
            )
        folder.replace_in_plan(new)
        checkpoint.delete()
        regrouped += new
    return regrouped, lines
