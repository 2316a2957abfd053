"""What a training engine (Ray Tune or Ray Train) offers to the command that runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from search_spaces.study import PlannedTrial
from study.runs.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from study.analysis.hardware import Hardware


class Ending(Enum):
    """How training ended, with the exit code of the command."""

    COMPLETE = 0
    SOME_FAILED = 1
    INTERRUPTED = 130  # as a shell reports Ctrl-C


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a prepared engine: what it is about to train, and for how long."""

    planned: Sequence[PlannedTrial]
    """the trials that are known; a search has none before it begins"""
    count: int
    """number of trials, including those that a search has not chosen yet"""
    follow_up: int | None
    """maximum number of trials that the results may add, such as a search's confirmations; None:
    unknown"""
    seconds: float
    """expected duration, from training steps timed on this machine; for a search, including its
    follow-up"""
    hardware: Hardware | None = None
    """of a new grid: the ways to use the hardware, with the time of each; None for other runs"""

    @property
    def trials(self) -> pd.DataFrame:
        """A row per known trial: its name, `trial`, and its settings."""
        import pandas as pd

        return pd.DataFrame(
            [{"trial": planned.name, **planned.config.to_dict()} for planned in self.planned]
        )

    def __str__(self) -> str:
        more = "" if self.follow_up == 0 else f", then up to {self.follow_up} more"
        if self.follow_up is None:
            more = ", then those that the results suggest"
        trials = "1 trial" if self.count == 1 else f"{self.count} trials"
        return f"{trials}{more}, about {round(self.seconds)} s"


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
    def preview(self) -> Plan:
        """The plan of what `train` will train, once the engine is prepared."""
        ...

    def prepare(self, *, dry_run: bool) -> bool:
        """Connect if needed, check and announce the plan. Return False if there is nothing to do.

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
