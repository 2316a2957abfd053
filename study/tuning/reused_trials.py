"""The trials of a plan that earlier runs have trained: found, announced, copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from search_spaces.study import PlannedTrial
from study.analysis.wording import pluralize
from study.runs.run_folder import RunFolder
from study.tuning.reuse import EarlierTrial, Reuse, sources


class ReusedTrials:
    """The trials of a plan that `reuse` holds. Looking them up writes nothing."""

    def __init__(self, reuse: Reuse, planned: Sequence[PlannedTrial]) -> None:
        self.reuse = reuse
        found = {each.name: self._find(each) for each in planned}
        self._matches = {name: match for name, match in found.items() if match is not None}

    def left(self, planned: Iterable[PlannedTrial]) -> list[PlannedTrial]:
        """Return the `planned` trials that no earlier run has trained."""
        return [each for each in planned if each.name not in self._matches]

    def announce(self, planned: Sequence[PlannedTrial], console: Console) -> None:
        """Print how many are reused, from which runs, and why other equal ones are not."""
        runs = sources(match.run for match in self._matches.values())
        of = f"{len(self._matches)} of {len(planned)} trials"
        console.print(f"  reused       {of}{', from ' if runs else ''}{runs}")
        self._announce_problems(planned, console)

    def announce_to_search(self, planned: Sequence[PlannedTrial], console: Console) -> None:
        """Print how many trials a search may meet again."""
        earlier = pluralize(sum(map(len, self.reuse.trials.values())), "earlier trial")
        console.print(f"  reuse        {earlier}, where the search proposes the same")
        self._announce_problems(planned, console)

    def adopt(
        self, planned: Iterable[PlannedTrial], folder: RunFolder, *, keep_model: bool
    ) -> None:
        """Copy the trials that an earlier run has trained into `folder`."""
        for each in planned:
            if match := self._find(each):
                match.adopt_into(folder.trial(each.name), keep_model=keep_model)

    def _find(self, planned: PlannedTrial) -> EarlierTrial | None:
        """Return the earlier trial to reuse; None for a trial that its fleet trains anyway."""
        return None if planned.fleet else self.reuse.find(planned.config)

    def _announce_problems(self, planned: Iterable[PlannedTrial], console: Console) -> None:
        misses = self.reuse.near_misses(each.config for each in planned)
        for line in (*misses, *self.reuse.problems):
            console.print(f"               not reused: {line}")
