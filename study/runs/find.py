"""Runs on this machine, found by the folder that the user types."""

from __future__ import annotations

from pathlib import Path

from lenet.config import ConfigError
from study.runs import layout


def find_runs(place: Path) -> list[Path]:
    """Return the run in `place`, or the runs in the folders inside it, by name.

    Raises: ConfigError if there is none.
    """
    runs = _runs(place)
    if not runs:
        raise ConfigError(
            f"{place} holds no run: give the folder of a run, such as results/NAME, or a folder of "
            "runs"
        )
    return runs


def has_runs(place: Path) -> bool:
    """Say whether `find_runs` finds a run in `place`."""
    return bool(_runs(place))


def _runs(place: Path) -> list[Path]:
    if (place / layout.METADATA).is_file():
        return [place]
    return sorted(path.parent for path in place.glob(f"*/{layout.METADATA}"))
