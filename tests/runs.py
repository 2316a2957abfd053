"""Pieces of runs that tests make up."""

from __future__ import annotations

from typing import Any

from lenet.records import Record
from study.runs.metadata import DatasetInfo, RunMetadata


def metadata(study: str = "fan", **fields: Any) -> RunMetadata:
    """Return the metadata of a run of `study`: the required fields, and `fields`."""
    required = {"budget": "smoke", "dataset": DatasetInfo("mnist"), "device": "cpu"}
    return RunMetadata(study=study, **{**required, **fields})


def record(step: int, accuracy: float = 0.5, **fields: Any) -> Record:
    """Return a record of a run with 10 steps an epoch."""
    return Record(
        step=step,
        epoch=step / 10,
        samples=step * 32,
        lr=0.1,
        train_loss=1.0,
        train_accuracy=0.4,
        validation_loss=1.1,
        validation_accuracy=accuracy,
        train_seconds=step * 0.5,
        samples_per_second=100.0,
        steps_per_second=3.0,
        **fields,
    )
