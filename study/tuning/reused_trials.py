"""The trials of a plan that earlier runs have trained: found, announced, copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from search_spaces.study import PlannedTrial
from study.analysis.wording import pluralize
from study.runs.run_folder import RunFolder
from study.tuning.reuse import EarlierTrial, Reuse, sources


class ReusedTrials:
    """The trials of a plan that earlier runs have trained. Looking them up writes nothing."""

    def __init__(self, reuse: Reuse, trials: Sequence[PlannedTrial]) -> None:
        self.reuse = reuse
        """all trials of the earlier runs, also used for trials that are planned later"""
        found = {planned.name: self._find(planned) for planned in trials}
        self._matches = {name: match for name, match in found.items() if match is not None}

    def not_reused(self, trials: Iterable[PlannedTrial]) -> list[PlannedTrial]:
        """Return those of `trials` that no earlier run has trained."""
        return [planned for planned in trials if planned.name not in self._matches]

    def announce(
        self, trials: Sequence[PlannedTrial], console: Console, *, for_search: bool
    ) -> None:
        """Print how many of `trials` are reused, from which runs, and why other equal ones are not.

        If a search is still to propose trials, print how many earlier ones it may meet.
        """
        if for_search:
            earlier = pluralize(sum(map(len, self.reuse.trials.values())), "earlier trial")
            console.print(f"  reuse        {earlier}, where the search proposes the same")
        else:
            runs = sources(match.run for match in self._matches.values())
            of = f"{len(self._matches)} of {len(trials)} trials"
            console.print(f"  reused       {of}{', from ' if runs else ''}{runs}")
        misses = self.reuse.near_misses(planned.config for planned in trials)
        for line in (*misses, *self.reuse.problems):
            console.print(f"               not reused: {line}")

    def adopt(self, trials: Iterable[PlannedTrial], folder: RunFolder, *, keep_model: bool) -> None:
        """Copy those of `trials` that an earlier run has trained into `folder`."""
        for planned in trials:
            if match := self._find(planned):
                match.adopt_into(folder.trial(planned.name), keep_model=keep_model)

    def _find(self, planned: PlannedTrial) -> EarlierTrial | None:
        """Return the earlier trial to reuse; None for a trial that its fleet trains anyway."""
        return None if planned.fleet else self.reuse.find(planned.config)
