"""Where a run reads and writes: folders, buckets and a cluster, parsed from a caller's values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import search_spaces
from lenet.config import ConfigError
from study.request import ResourceRequest
from study.runs import layout
from study.runs.find import find_runs
from study.runs.run_folder import RunFolder, default_name
from study.runs.storage import Location, parse_location

Place = str | Path | Location
"""A folder, or the `s3://` or `gs://` URL of a folder in a bucket."""


def location(place: Place) -> Location:
    """Parse a place; `~` is the home folder. Raises: ConfigError if it is neither."""
    if isinstance(place, str | Path) and "://" not in str(place):
        return parse_location(folder(place))
    return parse_location(place)


def folder(text: str | Path) -> Path:
    """Return the path of a folder on this machine, which may not exist; `~` is the home folder.

    Raises: ConfigError if it is a URL, or empty: that would mean the working directory by accident.
    """
    if not str(text).strip():
        raise ConfigError("an empty path names no folder")
    if "://" in str(text):
        raise ConfigError(f"{text} is a URL: name a folder on this machine")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{text} begins with a home folder that does not exist: type the whole path"
        ) from None


def existing_folder(text: str | Path, argument: str = "") -> Path:
    """Return the path of a folder on this machine; an error names the `argument`.

    Raises: ConfigError if there is none.
    """
    about = f"{argument}: " if argument else ""
    if "://" in str(text):
        raise ConfigError(
            f"{about}{text} is not a folder on this machine: run python -m study.report {text}, "
            "and pass the folder that it prints"
        )
    path = folder(text)
    if not path.is_dir():
        raise ConfigError(f"{about}{text} is not a folder: name an existing one")
    return path


def data_folder(path: str | Path | None) -> Path | None:
    """Return the folder of the data sets as a path. Raises: ConfigError if it does not exist."""
    return None if path is None else existing_folder(path, "data_dir")


def new_place(results: Place | None, storage: Place | None, study: str, budget: str) -> Location:
    """Return where a new run goes: `results`, or a new name in `storage`.

    Raises: ConfigError if both are given, or the place is on this machine and taken or not
    writable.
    """
    if results is not None and storage is not None:
        raise ConfigError(
            "--results names the place of this run and --storage the parent of all runs: use one"
        )
    if results is not None:
        new = location(results)
    else:
        name = default_name(search_spaces.find(study).name, budget)
        new = location(layout.RESULTS if storage is None else storage) / name
    run = RunFolder(new)
    if not run.is_copy:  # a bucket is tried later: it may take long to answer
        run.check_free()
    return new


def reused_places(folders: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    """Return the folders whose trials are reused. Raises: ConfigError if one holds no run."""
    if isinstance(folders, str | Path):
        folders = [folders]
    paths = [existing_folder(path, "reuse") for path in folders]
    for path in paths:
        find_runs(path)
    return tuple(dict.fromkeys(map(str, paths)))


def cluster_address(typed: str | None, *, autoscale: bool) -> str | None:
    """Return the address of the cluster: `typed`, or RAY_ADDRESS; None for this machine.

    Raises: ConfigError if it is empty or a URL, or if this machine should autoscale.
    """
    if typed is not None and not typed.strip():
        raise ConfigError("--address is empty: type HOST:6379, or omit it")
    found = typed or os.environ.get("RAY_ADDRESS")
    if found and "://" in found:
        source = "--address" if typed else "RAY_ADDRESS"
        kind = "a Ray Client address" if found.startswith("ray://") else "a URL"
        raise ConfigError(
            f"{source}={found} is {kind}, but this command joins a cluster directly: type its "
            "head as HOST:6379, or send the command with `ray job submit`"
        )
    if autoscale and not found:
        raise ConfigError("--autoscale needs a cluster: add --address, or omit --autoscale")
    return found


def on_cluster(resources: ResourceRequest) -> ResourceRequest:
    """Return `resources` with the address that `cluster_address` finds."""
    if not isinstance(resources, ResourceRequest):
        raise ConfigError(
            f"resources={resources!r} must be a request, such as "
            "api.ResourceRequest(max_concurrent=2)"
        )
    address = cluster_address(resources.address, autoscale=resources.autoscale)
    return replace(resources, address=address)
