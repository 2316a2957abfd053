"""What a training engine (Ray Tune or Ray Train) offers to the command that runs it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from study.runs.run_folder import RunFolder


class Ending(Enum):
    """How training ended, with the exit code of the command."""

    COMPLETE = 0
    SOME_FAILED = 1
    INTERRUPTED = 130  # as a shell reports Ctrl-C


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
