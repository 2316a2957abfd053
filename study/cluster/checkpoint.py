"""Checkpoints of a `Run` or of a fleet: saved to a run's folder, and restored from it."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch

from lenet.records import Record
from lenet.training import Run
from study.runs.trial_folder import TrialFolder


def restore(run: Run, folder: TrialFolder, log: Callable[[str], object]) -> list[Record]:
    """Restore `run` from its checkpoint and return the records up to that step.

    The trial starts over if the checkpoint is damaged, from another kind of device, or lacks its
    records. The reason then goes to `log`.
    """
    checkpoint = folder.checkpoint()
    if checkpoint is None:
        return []
    initial_state = copy.deepcopy(run.state_dict())
    try:
        state = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
        records = _records_up_to(state["step"], folder)
        run.load_state_dict(state)
    except Exception as error:  # a damaged file can raise anything, even halfway through
        run.load_state_dict(initial_state)
        log(f"{folder.home.name} starts over, its checkpoint is unusable: {error}")
        return []
    return records


def as_bytes(state: dict[str, Any]) -> bytes:
    """Serialize the state of a run for `TrialFolder.save`."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def restore_fleet(
    fleet: str,
    runs: Mapping[str, Run],
    unfinished: Mapping[str, TrialFolder],
    checkpoint: bytes | None,
    log: Callable[[str], object],
) -> dict[str, list[Record]]:
    """Restore the `runs` that a fleet's checkpoint holds, and return their records by name.

    `runs` holds all trials of the fleet. A trial that is not in `unfinished` has no records to
    continue. If there is no checkpoint, or it is unusable, all trials start over.
    """
    if checkpoint is None:
        return {name: [] for name in runs}
    initial_states = {name: copy.deepcopy(run.state_dict()) for name, run in runs.items()}
    try:
        states = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
        if lacking := unfinished.keys() - states.keys():
            raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
        records = {}
        for name, state in states.items():
            folder = unfinished.get(name)
            records[name] = [] if folder is None else _records_up_to(state["step"], folder)
            runs[name].load_state_dict(state)
    except Exception as error:  # a damaged file can raise anything, even halfway through
        for name, run in runs.items():
            run.load_state_dict(initial_states[name])
        log(f"{fleet} starts over, its checkpoint is unusable: {error}")
        return {name: [] for name in runs}
    return records


def split_checkpoint(checkpoint: bytes | None, folders: Mapping[str, TrialFolder]) -> None:
    """Write each trial's part of a fleet's checkpoint into its folder, so that it goes on alone."""
    states = _states(checkpoint)
    for name, folder in folders.items():
        if name in states:
            folder.save_checkpoint(as_bytes(states[name]))


def subset_of_checkpoint(checkpoint: bytes | None, names: Collection[str]) -> bytes | None:
    """Return a fleet's checkpoint reduced to the trials in `names`; None if it has none of them."""
    states = {name: state for name, state in _states(checkpoint).items() if name in names}
    return as_bytes(states) if states else None


def _states(checkpoint: bytes | None) -> dict[str, Any]:
    """Return the state of each trial of a fleet; empty if the checkpoint is missing or damaged."""
    try:
        states = torch.load(io.BytesIO(checkpoint or b""), map_location="cpu", weights_only=True)
    except Exception:  # a damaged file can raise anything; then the trials start over
        return {}
    return dict(states)


def _records_up_to(step: int, folder: TrialFolder) -> list[Record]:
    """Return the saved records up to `step`. Raises: ValueError if there is none of that step."""
    records = [record for record in folder.records() if record.step <= step]
    if not records or records[-1].step != step:
        raise ValueError(f"no record of step {step}")
    return records
