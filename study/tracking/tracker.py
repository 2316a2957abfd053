"""The interface of a tracker, a service that keeps trials of many runs, and the data it gets."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lenet.config import ConfigError, unknown_name

PACKAGES: Mapping[str, str] = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
"""Each tracker, by the name of its module, with the package that installs it."""
WANDB_DISABLED = "W&B is disabled and keeps nothing: set WANDB_MODE to online or offline"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One record of a trial, as trackers take it."""

    step: int
    at: float
    """seconds since 1970"""
    metrics: Mapping[str, float]
    """by TensorBoard's tag, see `study.runs.event_file.scalars`"""


@dataclass(frozen=True, kw_only=True)
class LoggedTrial:
    """A complete trial of a run, as trackers take it."""

    id: str
    """twelve hex digits, the same whenever this trial of this run is logged"""
    name: str
    run: str
    """name of the run's folder"""
    settings: Mapping[str, str | bool | float]
    tags: Mapping[str, str]
    """study, run, seed, fleet, status, budget and device"""
    curve: Sequence[Moment]
    began: float
    """seconds since 1970"""
    ended: float


class Tracker(Protocol):
    """A service that keeps trials."""

    place: str
    """where it keeps them, without passwords"""

    def log(self, trial: LoggedTrial) -> None:
        """Log a trial, at most once. Raises: any exception of the service's library."""
        ...


def without_password(text: str) -> str:
    """Return `text` without the user and the password of a URL in it."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def check_usable(name: str) -> None:
    """Raise `ConfigError` unless `name` is a tracker that is installed and not disabled."""
    if name not in PACKAGES:
        raise ConfigError(unknown_name(name, PACKAGES, "tracker"))
    if importlib.util.find_spec(name) is None:
        raise ConfigError(
            f"the library of {name} is not installed: type pip install {PACKAGES[name]}"
        )
    if name == "wandb" and os.environ.get("WANDB_MODE") == "disabled":
        raise ConfigError(WANDB_DISABLED)


def open_tracker(name: str, project: str) -> Tracker:
    """Connect to a tracker. `project` groups the trials unless the user's environment names one.

    Raises: any exception of the service's library.
    """
    # Each import takes a second or more.
    if name == "mlflow":
        from study.tracking.to_mlflow import MlflowTracker

        return MlflowTracker(project)
    from study.tracking.to_wandb import WandbTracker

    return WandbTracker(project)
