"""From a request on the command line to all that is needed to train it. Nothing is written."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import search_spaces
from lenet import datasets as data
from lenet.config import ConfigError, TrainConfig
from search_spaces.study import Planned
from study.analysis.search import number_of
from study.cluster import datasets as inputs
from study.request import Machine, Question
from study.runs.run_folder import RunFolder
from study.runs.storage import Place

if TYPE_CHECKING:
    from study.tuning.search import Search

_VERSIONS_OF = ("ray", "torch", "torchvision", "numpy")
_SAMPLES = 12  # of a search's space, to see what its trials are like


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A plan with all that is needed to train it."""

    question: Question
    plan: list[Planned]
    """the trials that are not complete yet"""
    complete: int
    """how many are, from before"""
    datasets: Mapping[str, data.Dataset]
    folder: RunFolder
    resumed: bool
    machine: Machine
    data_dir: Path | None
    """as typed"""
    command: str
    notices: Sequence[str]
    """what to say first"""
    tool: str
    """the command: the module's name"""
    asked: Mapping[str, Any]
    """what of its options a resumed run has to know"""
    then: FollowUp | None
    """what is trained once all this is, for it depends on what came out"""
    search: Search | None
    """what is searched before the plan is trained"""

    @property
    def objectives(self) -> Sequence[str]:
        """What trials are compared by."""
        if self.search is not None:
            return self.search.objectives
        return [search_spaces.find(self.question.study).objective]

    @property
    def configs(self) -> list[TrainConfig]:
        """Those that will be trained, or, where they are not known yet, some like them."""
        return _configs((self.plan, self.search))

    @property
    def to_resume(self) -> list[str]:
        """The options that `--resume` needs beside it."""
        options = ["--address", self.machine.address] if self.machine.address else []
        options += ["--autoscale"] if self.machine.autoscale else []
        most = self.machine.max_concurrent
        options += ["--max-concurrent", str(most)] if most else []
        options += ["--data-dir", str(self.data_dir)] if self.data_dir else []
        if "***" in str(self.asked.get("storage")):
            options += ["--optuna-storage", "URL"]
        return options


class FollowUp(Protocol):
    """Trials that are chosen by what came out of others."""

    def plan(self, folder: RunFolder) -> list[Planned]:
        """Those that the folder's plan lacks; nothing is written."""
        ...

    def adopt(self, folder: RunFolder) -> None:
        """Write what of the plan need not be trained, for another run has done it."""
        ...


Searching = Callable[[str | None], "Search"]
"""From a data set that replaces the study's own, or None, to what is searched."""


def new_launch(
    question: Question,
    machine: Machine,
    results: Place,
    data_dir: Path | None,
    command: str,
    *,
    tool: str,
    asked: Mapping[str, Any] = MappingProxyType({}),
    then: FollowUp | None = None,
    search: Searching | None = None,
) -> Launch:
    """A new run. Raises `ConfigError` for whatever cannot be; nothing is written yet."""
    folder = RunFolder(results)
    folder.check_free()

    def wanted(dataset: str | None) -> tuple[list[Planned], Search | None]:
        return (question.plan(dataset), None) if search is None else ([], search(dataset))

    (plan, searched), datasets, notices = inputs.load_or_fall_back(
        wanted, _configs, question.choices, data_dir
    )
    return Launch(
        question=question,
        plan=plan,
        complete=0,
        datasets=datasets,
        folder=folder,
        resumed=False,
        machine=machine,
        data_dir=data_dir,
        command=command,
        notices=notices,
        tool=tool,
        asked=asked,
        then=then,
        search=searched,
    )


def _configs(wanted: tuple[Sequence[Planned], Search | None]) -> list[TrainConfig]:
    plan, search = wanted
    if search is None:
        return [planned.config for planned in plan]
    return search.samples(_SAMPLES)


def resumed_launch(
    directory: Place,
    machine: Machine,
    data_dir: Path | None,
    command: str,
    *,
    asked: Mapping[str, Any] = MappingProxyType({}),
    then: FollowUp | None = None,
    search: Searching | None = None,
) -> Launch:
    """The rest of the run in `directory`, each trial with the resources that the run began
    with unless `machine` says otherwise. Raises `ConfigError` if it is no run that can be
    written to, or its data cannot be had."""
    folder = RunFolder.open(directory)
    if not folder.writable:
        raise ConfigError(f"cannot write to {directory}: resume it where you may write")
    run = folder.run
    search_spaces.find(run["study"])
    began = run["resources"]
    machine = replace(
        machine,
        **{name: began[name] for name in began if getattr(machine, name) is None},
    )
    now = {name: getattr(machine, name) for name in began}
    notices = differences({**run["versions"], **began}, {**versions(), **now})
    left = folder.unfinished()
    complete = len(folder.plan) - len(left)
    searched = None
    if search is not None:
        searched = search(folder.run["dataset"]["name"])
        searched.look(folder)
        if searched.trials < searched.done:
            raise ConfigError(
                f"{searched.done} trials are done, so {searched.trials} in all cannot be: ask for "
                "more with --trials"
            )
        left = [planned for planned in left if number_of(planned.name) is None]
    if not left and then is not None and not (searched and searched.left):
        left = then.plan(folder)
    return Launch(
        question=Question.of_run(run),
        plan=left,
        complete=complete,
        datasets=inputs.load(_configs((left, searched)), data_dir),
        folder=folder,
        resumed=True,
        machine=machine,
        data_dir=data_dir,
        command=command,
        notices=notices,
        tool=run.get("tool", "study.grid"),
        asked=asked or run.get("asked", {}),
        then=then,
        search=searched,
    )


def differences(began: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What to say of a run that began with other versions, or resources, than it goes on with."""
    return [
        f"This run began with {name} {was}, now {now.get(name)}: records may differ in their last "
        "digits."
        for name, was in began.items()
        if was != now.get(name)
    ]


def versions() -> dict[str, str]:
    """Of what decides about records."""
    found = {name: metadata.version(name) for name in _VERSIONS_OF}
    return {"python": platform.python_version(), **found}
