"""A job: a checked request, which can be previewed and trained."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rich.console import Console
from rich.text import Text

import search_spaces
from lenet.config import ConfigError
from search_spaces import kept
from study.api.run import Run, load
from study.api.studies import unique_names
from study.interruption import restored_signals
from study.request import HardwareRequest, ResourceRequest, TuningSession
from study.runs.run_folder import RunFolder
from study.runs.storage import Location
from study.terminal import make_console, print_note
from study.tracking.tracker import check_usable
from study.waiting import waiting

if TYPE_CHECKING:
    from study.cluster.engine import Ending, Engine, Plan
    from study.tuning.plan import FollowUp, MakeSearch


@dataclass(frozen=True, kw_only=True, repr=False)
class Job(ABC):
    """A checked request of a command or a notebook to train a run.

    The functions of `study.api` make jobs. Making one trains nothing and does not import torch.
    """

    engine: ClassVar[str]
    """module of the engine; its import takes seconds"""

    note: str = ""
    """printed first"""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self.folder.home}: call plan() or run()>"

    @property
    @abstractmethod
    def study(self) -> str:
        """The name of the study."""

    @property
    @abstractmethod
    def resumed(self) -> bool:
        """Whether the run has begun before."""

    @property
    @abstractmethod
    def folder(self) -> RunFolder:
        """The folder of the run, which may not exist yet."""

    @abstractmethod
    def with_command(self, words: Sequence[str]) -> Self:
        """Return this job with `words` as the command that the run records as its origin."""

    @abstractmethod
    def _make_engine(self, console: Console) -> Engine:
        """Plan the run. Raises: ConfigError for whatever would fail later."""

    def _load(self) -> None:
        """Import the engine, which takes seconds."""
        importlib.import_module(self.engine)

    def train(self, console: Console, *, dry_run: bool = False, log: Sequence[str] = ()) -> Ending:
        """Train the run and report it on `console`, or only print the plan. Return the ending.

        `log`: names of trackers, see `run`.

        Ctrl-C ends the training, and the command to resume it is printed.

        Raises: ConfigError if the request cannot be met; StorageFailed, after that command is
        printed, if a disk or bucket fails.
        """
        for name in log:
            check_usable(name)
        engine = self._planned(console)
        from study.pipeline import train_and_report

        return train_and_report(engine, console, dry_run=dry_run, trackers=log)

    def plan(self) -> Plan:
        """Plan the run and time a few training steps, as the option `--dry-run` does.

        Writes no results. It may download the data set, and remembers the times.

        Raises: ConfigError if the request cannot be met.
        """
        _check_no_ray()
        engine = self._planned(make_console(quiet=True))
        try:
            engine.prepare(dry_run=True)
            return engine.preview
        finally:
            engine.close()

    def run(self, *, quiet: bool = False, log: str | Sequence[str] = ()) -> Run:
        """Train the run, report it, and return it. Its progress is printed unless `quiet`.

        Every complete trial is logged to the trackers in `log`, too: `mlflow`, `wandb`.

        Trials that fail do not end the run: `Run.trials` has their errors. Ray runs until this call
        returns.

        Raises: ConfigError if the request cannot be met; KeyboardInterrupt for Ctrl-C, after all
        training so far is saved; OSError if a disk or bucket fails. `study.api.resume` finishes
        the run.
        """
        _check_no_ray()
        with restored_signals():
            ending = self.train(make_console(quiet=quiet), log=unique_names(log))
        if ending.name == "INTERRUPTED":
            place = str(self.folder.home)
            raise KeyboardInterrupt(f"api.resume({place!r}).run() finishes this run")
        return load(self.folder.home)

    def _planned(self, console: Console) -> Engine:
        if self.note:
            print_note(console, self.note)
        with loading(self.study, console):
            self._load()
        if not self.resumed:  # a resumed run's report names the user's own kinds that are missing
            from study.report.declared import check_declared

            check_declared(search_spaces.find(self.study))
        return self._make_engine(console)


@dataclass(frozen=True, kw_only=True, repr=False)
class TuningJob(Job):
    """A job for Ray Tune: a grid, a range test or a search."""

    engine = "study.tuning.execution"

    session: TuningSession

    @property
    def study(self) -> str:
        return self.session.request.study

    @property
    def resumed(self) -> bool:
        return self.session.resumed

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.session.place)

    def with_command(self, words: Sequence[str]) -> Self:
        return replace(self, session=replace(self.session, command=tuple(words)))

    def train(self, console: Console, *, dry_run: bool = False, log: Sequence[str] = ()) -> Ending:
        hardware = self.session.hardware
        if hardware is not None and hardware.is_elsewhere and not dry_run:
            raise ConfigError(
                f"{hardware.option} predicts for another machine: add --dry-run, or omit it"
            )
        return super().train(console, dry_run=dry_run, log=log)

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


def _check_no_ray() -> None:
    """Raise `ConfigError` if this process is connected to Ray: a job ends the connection."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        raise ConfigError(
            "this process is connected to Ray already, and a job starts and ends Ray by itself: "
            "call ray.shutdown() first; for a cluster, pass its address to the job"
        )


@contextlib.contextmanager
def loading(study: str, console: Console) -> Iterator[None]:
    """Print a study's question at once, then show a clock while the block imports torch and Ray."""
    found = search_spaces.find(study)
    console.print(Text.assemble((found.name, "bold"), f": {found.question}"))
    with waiting(console, "Loading torch and Ray, which takes 5 to 15 s"):
        yield


def shell_command(
    function: Callable[..., Job], arguments: Mapping[str, Any], **in_words: Any
) -> tuple[str, ...]:
    """Return the words of a shell command that repeats the call `function(**arguments)`.

    The command has only the arguments that differ from their defaults, without `results` and
    `storage`; `in_words` replaces some values. Empty if the study exists only in this process,
    where no command can find it.
    """
    if kept.is_in_memory(str(in_words.get("study", ""))):
        return ()
    parameters = inspect.signature(function).parameters
    given = [
        f"{name}={_literal(value)}"
        for name, value in {**arguments, **in_words}.items()
        if name not in ("results", "storage") and value != parameters[name].default
    ]
    call = f"api.{function.__name__}({', '.join(given)}).run()"
    return ("python", "-c", f"from study import api; {call}")


def _literal(value: Any) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    if isinstance(value, list | tuple):
        items = "".join(f"{_literal(item)}, " for item in value)
        return f"({items})" if isinstance(value, tuple) else f"[{items}]"
    return f"api.{value!r}" if isinstance(value, ResourceRequest | HardwareRequest) else repr(value)


def open_for_tool(place: Location, tool: str) -> RunFolder:
    """Open the run in `place`. Raises: ConfigError unless the command `tool` began it."""
    folder = RunFolder.open(place)
    folder.check_tool(tool)
    return folder
