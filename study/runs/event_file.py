"""TensorBoard's file of one trial: its hyperparameters, its records, and how it ended."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lenet.records import Record
from lenet.run_length import RunLength
from study.runs.storage import Location, reason

PREFIX = "events.out.tfevents."
MAX_EVENTS = 1_000
"""A longer curve is thinned evenly: TensorBoard itself draws at most 1,000 points."""

TAGS: Mapping[str, str] = {
    f"{split}_{quantity}": f"{quantity}/{split}"
    for quantity in ("loss", "accuracy")
    for split in ("train", "validation", "test")
} | {"lr": "lr", "epoch": "epoch", "samples_per_second": "speed/samples_per_second"}
"""TensorBoard's tag of each field of a record that the file holds. Lightning uses the same tag for
epochs."""
OBSERVED = "observed/"
"""The beginning of the tag of an observed number."""
_RECORDING = frozenset({"record_every", "evaluate_at", "test_at_end", "test_curve", "metrics"})
"""Settings of recording and evaluation, not of how a trial is trained."""
_LAUNCH = ("launcher", "processor", "workers", "strategy")
"""What distinguishes the trials of a data-parallel run, besides their settings."""


class EventFile:
    """The event file in a trial's folder, for viewing only: nothing fails if it cannot be written.

    The content follows from the trial's state, its records, and the second in the file's name.
    While a trial trains, the worker only appends to the file: TensorBoard follows a growing file,
    but would not notice a replaced one. If a resumed or ended trial needs different content, the
    worker writes a file with a later name. TensorBoard reads that file next and drops the steps of
    the earlier one.
    """

    def __init__(self, folder: Location) -> None:
        self._folder = folder
        self._begun = 0
        self._content = b""
        self._steps: list[int] | None = None  # of the events written; None: not known yet

    def write(
        self,
        records: Sequence[Record],
        length: RunLength | None = None,
        *,
        state: Mapping[str, Any],
        status: str | None = None,
    ) -> None:
        """Bring the file up to `records`, the first of a run of `length`; None: the whole run.

        `state`: what `trial.json` holds, see `hyperparameters`. `status`: how the trial has ended;
        None while it trains.
        """
        chosen = [records[i] for i in thinned(records, length)]
        steps = [record.step for record in chosen]
        try:
            if self._steps is None or steps[: len(self._steps)] != self._steps:
                self._open(chosen, state, status)
            else:
                self._content += _encode(chosen[len(self._steps) :], self._begun)
                self._content += _end(chosen, self._begun, status)
                self._target.extend_to(self._content)
            self._steps = None if status else steps  # nothing follows an end
        except OSError as error:
            print(f"cannot write the events of {self._folder} ({reason(error)})", flush=True)
            self._steps = None

    @property
    def _target(self) -> Location:
        return self._folder / f"{PREFIX}{self._begun:010d}.{self._folder.name}"

    def _open(
        self, records: Sequence[Record], state: Mapping[str, Any], status: str | None
    ) -> None:
        """Continue the latest file if `records` do, else begin a later one. Empty the others."""

        def content(begun: int) -> bytes:
            start = _header(begun) + _start(begun, state)
            return start + _encode(records, begun) + _end(records, begun, status)

        files = sorted(name for name in self._folder.names() if name.startswith(PREFIX))
        self._begun = int(time.time())
        if files:
            latest = int(files[-1].removeprefix(PREFIX).split(".")[0])
            held = (self._folder / files[-1]).read_bytes()
            continues = content(latest).startswith(held)
            self._begun = latest if continues else max(self._begun, latest + 1)
        self._content = content(self._begun)
        self._target.extend_to(self._content)
        for name in files:
            if name != self._target.name:  # not deleted: a reader would wait for it for ever
                (self._folder / name).write_bytes(b"")


def thinned(records: Sequence[Record], length: RunLength | None = None) -> list[int]:
    """Return the indices of at most `MAX_EVENTS` evenly spaced records of a run of `length`.

    They include the first record, and the last one of the whole run. Records that evaluated
    held-out data can be rare, so at most as many of these are added.
    """
    evaluated = [i for i, record in enumerate(records) if _evaluated(record)]
    total = length.records if length else len(records)
    evaluations = length.evaluations if length else len(evaluated)
    chosen = {*range(0, len(records), _stride(total))}
    chosen.update(evaluated[:: _stride(evaluations)])
    if records and (length is None or len(records) == total):
        chosen.add(len(records) - 1)
    return sorted(chosen)


def _stride(count: int) -> int:
    return max(1, math.ceil((count - 1) / (MAX_EVENTS - 1)))


def _evaluated(record: Record) -> bool:
    return not (math.isnan(record.validation_loss) and math.isnan(record.test_loss))


def _header(begun: int) -> bytes:
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    version = Event(wall_time=begun, file_version="brain.Event:2")
    # Lets a TensorBoard that has read an earlier file of this trial drop its steps.
    start = Event(wall_time=begun, step=0, session_log=SessionLog(status=SessionLog.START))
    return _frame(version.SerializeToString()) + _frame(start.SerializeToString())


def _encode(records: Sequence[Record], begun: int) -> bytes:
    # Imported here, because code that reads a run does not need it.
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    events = []
    for record in records:
        values = [
            Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(record).items()
        ]
        wall_time = begun + record.train_seconds
        event = Event(wall_time=wall_time, step=record.step, summary=Summary(value=values))
        events.append(_frame(event.SerializeToString()))
    return b"".join(events)


def _start(begun: int, state: Mapping[str, Any]) -> bytes:
    """Return the event from which the HParams tab takes a trial's hyperparameters.

    No file holds an `Experiment`, which would list the columns of the tab. TensorBoard would apply
    the first `Experiment` that it finds to all trials. It would hide settings that only other
    trials have, such as the momentum of another optimizer. Without an `Experiment`, it collects the
    settings of all trials, those that differ first. It then shows the last value of every scalar.
    See plugins/hparams/backend_context.py in tensorboard 2.21.
    """
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionStartInfo

    info = SessionStartInfo(start_time_secs=begun)
    for name, value in hyperparameters(state).items():
        kind = {str: "string_value", bool: "bool_value"}.get(type(value), "number_value")
        setattr(info.hparams[name], kind, value)
    data = HParamsPluginData(session_start_info=info)
    # Otherwise, a map has no fixed order, and a resumed trial could not continue this file.
    content = data.SerializeToString(deterministic=True)
    return _hparams_event("session_start_info", content, begun, step=0)


def _end(records: Sequence[Record], begun: int, status: str | None) -> bytes:
    """Return the event that says how a trial ended; empty while it trains."""
    if status is None:
        return b""
    from tensorboardX.proto.api_pb2 import Status
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo

    ended = begun + records[-1].train_seconds
    name = "STATUS_FAILURE" if status == "failed" else "STATUS_SUCCESS"
    info = SessionEndInfo(status=Status.Value(name), end_time_secs=ended)
    data = HParamsPluginData(session_end_info=info)
    return _hparams_event("session_end_info", data.SerializeToString(), ended, records[-1].step)


def _hparams_event(name: str, content: bytes, wall_time: float, step: int) -> bytes:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    metadata = SummaryMetadata(plugin_data=plugin)
    value = Summary.Value(tag=f"_hparams_/{name}", metadata=metadata)
    event = Event(wall_time=wall_time, step=step, summary=Summary(value=[value]))
    return _frame(event.SerializeToString())


def _frame(event: bytes) -> bytes:
    """Return an event as a TFRecord: its length, the event, and a checksum of each."""
    # Not tensorboardX's own writer: it adds to a queue that another thread empties at some time.
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(event))
    checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, event))
    return length + next(checksums) + event + next(checksums)


def hyperparameters(state: Mapping[str, Any]) -> dict[str, str | bool | float]:
    """Return the values that the HParams tab shows for a trial with this state, by name.

    They are the settings that have a value, except settings of recording and evaluation. A
    data-parallel run adds its launcher, processor, number of workers and strategy.
    """
    launch = state.get("data_parallel", {})
    values = {
        **{k: v for k, v in state.get("settings", {}).items() if k not in _RECORDING},
        **{name: launch[name] for name in _LAUNCH if name in launch},
    }
    return {
        name: "+".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in values.items()
        if value is not None
    }


def scalars(record: Record) -> dict[str, float]:
    """Return the numbers of a record by TensorBoard's tag.

    A quantity that was not measured has no tag. The training loss always has one, because a NaN
    there shows that the trial diverged.
    """
    values = {tag: getattr(record, name) for name, tag in TAGS.items()}
    for name, value in record.metrics.items():
        split, _, metric = name.partition("_")
        values[f"{metric}/{split}"] = value
    values |= {OBSERVED + name: value for name, value in record.observed.items()}
    return {
        tag: value
        for tag, value in values.items()
        if tag == TAGS["train_loss"] or tag.startswith(OBSERVED) or not math.isnan(value)
    }
