"""Checkpoints of a `Run`, to and from its trial's folder."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import torch

from lenet.records import Record
from lenet.training import Run
from study.runs.trial_folder import TrialFolder


def restore(run: Run, folder: TrialFolder, log: Callable[[str], object]) -> list[Record]:
    """Restore `run` from its checkpoint and return the records up to that step.

    If the checkpoint is damaged, from another kind of device, or lacks its records, the reason
    goes to `log` and the trial starts over.
    """
    checkpoint = folder.checkpoint()
    if checkpoint is None:
        return []
    initial_state = copy.deepcopy(run.state_dict())
    try:
        state = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
        records = [r for r in folder.records() if r.step <= state["step"]]
        if not records or records[-1].step != state["step"]:
            raise ValueError(f"no record of step {state['step']}")
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
