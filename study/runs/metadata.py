"""The content of `run.json`: which study a run trains, with which options, data and machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import search_spaces
from lenet.config import ConfigError
from search_spaces import kept
from search_spaces.reproduction import PUBLISHED

GRID_TOOL = "study.grid"
"""`RunMetadata.tool` of a run that trains a study's grid"""
SEARCH_TOOL = "study.search"
"""`RunMetadata.tool` of a run whose results are read as a search."""
EVENT_FILES_TOOL = "study.report --from-tensorboard"
"""`RunMetadata.tool` of a run read from TensorBoard's event files, which do not tell everything."""

_REQUIRED = ("study", "budget", "dataset", "device")
_OMITTED_IF_EMPTY = ("definition", "resources", "hardware", "machine", "resumed_on")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(
        ("definition", "options", "choices", "resources", "hardware", "machine", "versions"), dict
    ),
    "seeds": int,
    "records_version": int,
    "grids": list,
    "resumed_on": list,
    "commit": (str, type(None)),
}
"""JSON types of the fields; all others are text."""


@dataclass(frozen=True)
class DatasetInfo:
    """The data sets of a run; several are joined by commas."""

    name: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class RunMetadata:
    """The content of `run.json`: what a run trains, with which options, data and machine."""

    tool: str = GRID_TOOL
    """module name of the command that created the run"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """options of `tool` that a resumed run needs and that no other field has"""
    study: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    """the study itself, if it is the user's own (`search_spaces.kept`)"""
    budget: str
    seeds: int = 1
    objective: str = "validation_accuracy"
    """the column of `trials` and `records` that the study ranks by"""
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """settings changed with `--set`, and their values"""
    scheduler: str = "none"
    grids: Sequence[str] = field(default_factory=list)
    """names of the study's grids that are trained; empty: all but its extra ones"""
    dataset: DatasetInfo
    device: str
    resources: Mapping[str, float] = field(default_factory=dict)
    """of a run on Ray Tune: CPUs and GPUs of a trial"""
    hardware: Mapping[str, Any] = field(default_factory=dict)
    """of a grid: the predicted time of each way to use the hardware (`study.analysis.hardware`)"""
    machine: Mapping[str, float] = field(default_factory=dict)
    """of a scaling run: number of nodes, CPUs and GPUs"""
    versions: Mapping[str, str] = field(default_factory=dict)
    records_version: int = 0
    """`lenet.records.RECORDS_VERSION` of the code; 0: the run is older than these versions"""
    commit: str | None = None
    """the project's git commit, see `project_commit`"""
    command: str = ""
    created: str = ""
    """UTC, ISO 8601"""
    resumed_on: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """of a scaling run: `device` and `machine` of each resumption on other machines"""

    @classmethod
    def read(cls, path: Path) -> RunMetadata:
        """Read and validate the file `path`.

        Raises: ConfigError if it is damaged or lacks a required field, OSError if it cannot be
        read.
        """
        try:
            return cls.from_json(json.loads(path.read_bytes()))
        except ConfigError as error:
            raise ConfigError(
                f"{path} {error}: restore it from a copy, or run the study again"
            ) from None
        except ValueError:
            raise ConfigError(
                f"{path} is cut short or damaged: restore it from a copy, or run the study again"
            ) from None

    @classmethod
    def from_json(cls, document: Any) -> RunMetadata:
        """Read what `to_json` returned; fields that older versions did not write have defaults.

        Raises: ConfigError if a required field is missing or a field has the wrong type.
        """
        found = document if isinstance(document, dict) else {}
        if "asked" in found:  # the key of `options` until November 2026
            found = {"options": found["asked"], **found}
        if missing := [name for name in _REQUIRED if name not in found]:
            raise ConfigError(f"lacks {', '.join(missing)}")
        dataset = found["dataset"]
        if not isinstance(dataset, dict) or "name" not in dataset:
            raise ConfigError("lacks the name of the data set")
        values = {name: found[name] for name in cls.__dataclass_fields__ if name in found}
        values["dataset"] = DatasetInfo(dataset["name"], dataset.get("source", ""))
        for name in values.keys() - {"dataset"}:
            if not isinstance(values[name], _TYPES.get(name, str)):
                raise ConfigError(f"has {name} {values[name]!r}, which is of the wrong type")
        if values.get("definition"):
            search_spaces.keep(values["study"], kept.from_json(values["definition"]))
        return cls(**values)

    @property
    def is_as_published(self) -> bool:
        """True for a run of a shipped study at the published budget with no `--set`.

        False for a study of the user's own, even if it has the name of a shipped one.
        """
        return self.budget == PUBLISHED and not self.choices and not self.definition

    @property
    def is_from_event_files(self) -> bool:
        """Whether the trials were read from TensorBoard's event files, whoever wrote them."""
        return self.tool == EVENT_FILES_TOOL

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON document."""
        document = vars(self) | {"dataset": vars(self.dataset)}
        return {
            name: value
            for name, value in document.items()
            if value or name not in _OMITTED_IF_EMPTY
        }


def definition_of(study: str) -> dict[str, Any]:
    """Return `RunMetadata.definition` for `study`: empty unless it is the user's own."""
    own = kept.is_own(study)
    return dict(kept.to_json(search_spaces.find(study))) if own else {}


def project_commit() -> str | None:
    """Return the git commit of the project, with `+changes` if tracked files differ from it.

    None if the project is not run from a git checkout. A package installed inside somebody
    else's checkout is not tracked there, so their commit is not taken for the project's.
    """
    here = Path(__file__)
    git = ["git", "-C", str(here.parents[1]), "--no-optional-locks"]
    try:
        tracked = [*git, "ls-files", "--error-unmatch", str(here)]
        subprocess.run(tracked, check=True, capture_output=True)
        commit = [*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
        found = subprocess.run(commit, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
