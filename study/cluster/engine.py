"""What a training engine (Ray Tune or Ray Train) offers to the command that runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from search_spaces.study import PlannedTrial
from study.runs.run_folder import RunFolder


class Ending(Enum):
    """How training ended, with the exit code of the command."""

    COMPLETE = 0
    SOME_FAILED = 1
    INTERRUPTED = 130  # as a shell reports Ctrl-C


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a prepared engine is about to train."""

    trials: Sequence[PlannedTrial]
    """the trials that are known; a search has none before it begins"""
    count: int
    """how many trials; of a search, with those that it has not chosen yet"""
    follow_up: int | None
    """the most trials that later results may add; None: only the results tell"""
    seconds: float
    """expected duration, the follow-up of a search included"""


class Engine(Protocol):
    """A run that is planned and can be trained.

    A command calls the methods in this order, `train` with the folder locked and `close` always.
    """

    tool: str
    """module name of the command, such as `study.grid`"""
    unit: str
    """what fails or completes, in the plural: `trials` or `launches`"""
    folder: RunFolder

    @property
    def resume_options(self) -> list[str]:
        """The options to type after `--resume PLACE`."""
        ...

    @property
    def preview(self) -> Preview:
        """What is to be trained, once the engine is prepared."""
        ...

    def prepare(self, *, dry_run: bool) -> bool:
        """Connect if needed, check the plan, announce it. Return False if nothing is to be done.

        Raises: ConfigError for whatever would fail later.
        """
        ...

    def write_plan(self) -> None:
        """Create the run's folder, or add to it if the run is resumed."""
        ...

    def train(self) -> Ending:
        """Train what is unfinished."""
        ...

    def close(self) -> None:
        """Release machines and disconnect from Ray."""
        ...
