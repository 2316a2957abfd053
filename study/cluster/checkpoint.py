"""A run's checkpoint, in and out of its trial's folder."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import torch

from lenet.records import Record
from lenet.training import Run
from study.runs.trial_folder import TrialFolder


def restore(run: Run, folder: TrialFolder, say: Callable[[str], object]) -> list[Record]:
    """Put the run where its checkpoint was taken; the records up to there.

    A checkpoint that cannot be used (damaged, of another kind of device, or without its
    records) is passed over, which is told to `say`, and the trial starts anew.
    """
    checkpoint = folder.saved_checkpoint()
    if checkpoint is None:
        return []
    new = copy.deepcopy(run.state_dict())
    try:
        state = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
        records = [r for r in folder.records() if r.step <= state["step"]]
        if not records or records[-1].step != state["step"]:
            raise ValueError(f"no record of step {state['step']}")
        run.load_state_dict(state)
    except Exception as error:  # damage can show as anything, and half-way through
        run.load_state_dict(new)
        say(f"{folder.path.name} starts anew, its checkpoint cannot be used: {error}")
        return []
    return records


def as_bytes(state: dict[str, Any]) -> bytes:
    """The state of a run as `TrialFolder.save` keeps it."""
    written = io.BytesIO()
    torch.save(state, written)
    return written.getvalue()
