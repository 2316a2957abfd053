"""The job of a launch: all that its workers need to know, kept in a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenet.config import TrainConfig
from search_spaces.study import PlannedTrial
from study.runs import layout


@dataclass(frozen=True, kw_only=True)
class Job:
    """A launch as its workers read it: who trains which points, and where the results go."""

    launch: str
    """name of the launch"""
    launcher: str
    processor: str
    workers: int
    strategy: str
    """how they share the work, one of `STRATEGIES` in `search_spaces.hardware`, or `SERIAL`"""
    oversubscribed: bool
    threads: int
    """torch threads of each worker"""
    run_folder: str
    """path or URL"""
    data_dir: str | None
    points: tuple[PlannedTrial, ...]
    requested_at: float
    """Unix time, from which start-up is measured"""
    driver_pid: int
    """workers end when this process has ended"""

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets that the points need."""
        return list(dict.fromkeys(point.config.dataset for point in self.points))

    def to_json(self) -> dict[str, Any]:
        points = [{"name": p.name, "settings": p.config.to_dict()} for p in self.points]
        return {**vars(self), "points": points}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Job:
        points = tuple(
            PlannedTrial(name=point["name"], config=TrainConfig.from_dict(point["settings"]))
            for point in document["points"]
        )
        return cls(**{**document, "points": points})

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json()), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    def facts(self) -> dict[str, Any]:
        """Return the columns that this launch adds to `trials.parquet`."""
        names = ("launch", "launcher", "processor", "workers", "strategy", "oversubscribed")
        return {name: getattr(self, name) for name in names}


def failure_file(job: Path) -> Path:
    """Return the file in which the first worker to fail writes its error.

    The last line of the log would not do: torchrun ends its output with a border.
    """
    return job.with_suffix(layout.LAUNCH_FAILURE)


def log_file(job: Path) -> Path:
    """Return the file that receives the output of the workers."""
    return job.with_suffix(layout.LAUNCH_LOG)
