"""A job: a checked request, which can be previewed and trained."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rich.console import Console
from rich.text import Text

import search_spaces
from search_spaces import kept
from study.request import ResourceRequest, TuningSession
from study.runs.run_folder import RunFolder
from study.runs.storage import Location
from study.terminal import print_note
from study.waiting import waiting

if TYPE_CHECKING:
    from study.cluster.engine import Ending, Engine
    from study.tuning.plan import FollowUp, MakeSearch


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """What a command or a notebook wants trained. Making one trains nothing and imports no torch.

    The functions of `study.api` make jobs.
    """

    engine: ClassVar[str]
    """module of the engine; its import takes seconds"""

    note: str = ""
    """printed first"""

    @property
    @abstractmethod
    def study(self) -> str:
        """The name of the study."""

    @property
    @abstractmethod
    def folder(self) -> RunFolder:
        """The folder of the run, which may not exist yet."""

    @abstractmethod
    def with_command(self, words: Sequence[str]) -> Self:
        """Return this job with the words of the command that the run keeps as its origin."""

    @abstractmethod
    def _make_engine(self, console: Console) -> Engine:
        """Plan the run. Raises: ConfigError for whatever would fail later."""

    def _load(self) -> None:
        """Import what takes seconds."""
        importlib.import_module(self.engine)

    def train(self, console: Console, *, dry_run: bool = False) -> Ending:
        """Train the run and report it on `console`, or print the plan alone. Return the ending.

        Ctrl-C ends the training, and the command to resume it is printed.

        Raises: ConfigError if the request cannot be met.
        """
        engine = self._planned(console)
        from study.pipeline import train_and_report

        return train_and_report(engine, console, dry_run=dry_run)

    def _planned(self, console: Console) -> Engine:
        if self.note:
            print_note(console, self.note)
        with loading(self.study, console):
            self._load()
        from study.report.declared import check_declared

        check_declared(search_spaces.find(self.study))
        return self._make_engine(console)


@dataclass(frozen=True, kw_only=True)
class TuningJob(Job):
    """A job for Ray Tune: a grid, and what builds on it."""

    engine = "study.tuning.execution"

    session: TuningSession

    @property
    def study(self) -> str:
        return self.session.request.study

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.session.place)

    def with_command(self, words: Sequence[str]) -> Self:
        return replace(self, session=replace(self.session, command=tuple(words)))

    def _make_engine(self, console: Console) -> Engine:
        return self._tuning_engine(console, self.session)

    @staticmethod
    def _tuning_engine(
        console: Console,
        session: TuningSession,
        follow_up: FollowUp | None = None,
        make_search: MakeSearch | None = None,
    ) -> Engine:
        from study.tuning.execution import TuningEngine
        from study.tuning.plan import make_plan

        return TuningEngine(make_plan(session, follow_up, make_search), console)


@contextlib.contextmanager
def loading(study: str, console: Console) -> Iterator[None]:
    """Print the question of a study at once, while the block imports torch and Ray for seconds."""
    found = search_spaces.find(study)
    console.print(Text.assemble((found.name, "bold"), f": {found.question}"))
    with waiting(console, "Loading torch and Ray, which takes 5 to 15 s"):
        yield


def begun_by(function: Callable[..., Job], arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words of the shell command that makes the call `function(**arguments)`.

    Only arguments other than the default are named. Empty if the study exists in this process
    alone, so that no command can make the call.
    """
    parameters = inspect.signature(function).parameters
    given = [
        f"{name}={_literal(value)}"
        for name, value in arguments.items()
        if value != parameters[name].default
    ]
    if kept.is_in_memory(str(arguments.get("study", ""))):
        return ()
    call = f"api.{function.__name__}({', '.join(given)}).run()"
    return ("python", "-c", f"from study import api; {call}")


def _literal(value: Any) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    return f"api.{value!r}" if isinstance(value, ResourceRequest) else repr(value)


def opened(place: Location, tool: str) -> RunFolder:
    """Open the run in `place`. Raises: ConfigError unless the command `tool` began it."""
    folder = RunFolder.open(place)
    folder.check_tool(tool)
    return folder
