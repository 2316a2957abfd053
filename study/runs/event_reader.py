"""The tables of trials that were logged for TensorBoard, by this project or any other program."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import SETTINGS, ConfigError, settings_in, unknown_name
from lenet.records import Record
from study.runs.event_file import OBSERVED, TAGS
from study.runs.event_settings import from_folder, from_hyperparameters

UNRECORDED = "not recorded"
"""The data set or device of trials whose files do not name it."""

_FAN = {
    "train_accuracy": "train-accu",
    "train_loss": "train-loss",
    "validation_accuracy": "val_accu",
    "validation_loss": "val_loss",
}
_PRESETS: Mapping[str, Mapping[str, str]] = {"own": TAGS, "fan": _FAN}
_MOST_LISTED = 12
_MEASURED = [name for name in Record.__dataclass_fields__ if name not in ("observed", "metrics")]
_FILE = "tfevents"
"""In the name of every event file."""


@dataclass(frozen=True)
class EventTables:
    """The tables in event files: `records` and `trials` as `study.runs.collect` writes them.

    A value that the files do not hold is NaN or None; a data set that they do not name is
    `UNRECORDED`.
    """

    records: pd.DataFrame
    trials: pd.DataFrame
    notes: Sequence[str]
    """sentences on what was inferred or left out"""


@dataclass
class _Logged:
    """The content of the event files in one folder."""

    folder: Path
    curves: Mapping[str, Mapping[int, float]]
    """values by step, by tag"""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    status: str = "finished"
    """`unfinished` if the files have the hyperparameters of a trial, but not its end"""


def parse_tags(text: str) -> Mapping[str, str]:
    """Return the tag of each quantity: `own`, `fan`, or `train_loss=TAG,validation_loss=TAG,...`.

    `fan` are the tags of the program in Fan's appendix.

    Raises: ConfigError if a quantity is unknown or the text has another form.
    """
    if text in _PRESETS:
        return _PRESETS[text]
    tags = {}
    for assignment in text.split(","):
        name, equals, tag = (part.strip() for part in assignment.partition("="))
        if not equals or not tag:
            raise ConfigError(
                f"--tags {text!r} is neither {' nor '.join(_PRESETS)} nor a list: type "
                "--tags train_loss=TAG,validation_accuracy=TAG"
            )
        if name not in TAGS:
            raise ConfigError(unknown_name(name, TAGS, "quantity"))
        tags[name] = tag
    return tags


def read_event_files(logdir: Path, tags: Mapping[str, str]) -> EventTables:
    """Read all trials below `logdir`: one for each folder whose event files have one of the `tags`.

    A trial's settings come from its hyperparameters (TensorBoard's HParams tab). Settings that are
    not among these come from the name of its folder. torch's `add_hparams` writes hyperparameters
    into a folder inside the trial's. Trials with the same settings and no seed are repeats,
    numbered as seeds. An accuracy above 1 is in percent. A trial whose training loss ends as NaN
    has diverged.

    Raises: ConfigError if there is no event file, or none has one of the tags. Also if the settings
        of a trial are unknown, or the same as another trial's.
    """
    folders = sorted({path.parent for path in logdir.rglob(f"*{_FILE}*") if path.is_file()})
    if not folders:
        raise ConfigError(
            f"{logdir} holds no event file (a file with {_FILE} in its name): name the folder that "
            "you would show with tensorboard --logdir"
        )
    wanted = {"epoch": TAGS["epoch"], **tags}
    notes: list[str] = []
    logged = _with_hyperparameters([_read(folder) for folder in folders])
    found = [one for one in logged if any(tag in one.curves for tag in tags.values())]
    if not found:
        raise ConfigError(_no_known_tag(logdir, logged, tags))
    present = {tag for one in found for tag in one.curves}
    if absent := [tag for tag in tags.values() if tags is not TAGS and tag not in present]:
        notes.append(f"No file has the tag {' or '.join(absent)}.")
    trials = _trial_rows(logdir, found, notes)
    records = _record_rows(found, [row["trial"] for row in trials], wanted, notes)
    table = pd.DataFrame(trials)
    last = records.groupby("trial").last().drop(columns=["lr", "diverged"])
    table = table.join(last, on="trial")
    diverged = records.loc[records["diverged"], "trial"]
    ended = table["status"] == "finished"
    table.loc[ended & table["trial"].isin(diverged), "status"] = "diverged"
    return EventTables(records, table, notes)


def _read(folder: Path) -> _Logged:
    from google.protobuf.message import DecodeError
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.util.tensor_util import make_ndarray

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    try:
        accumulator.Reload()
    except DecodeError:
        raise ConfigError(
            f"an event file in {folder} is damaged: delete it, or name another folder"
        ) from None
    tags = accumulator.Tags()
    curves = {
        tag: {event.step: event.value for event in accumulator.Scalars(tag)}
        for tag in tags["scalars"]
    }
    for tag in tags["tensors"]:  # TensorFlow 2 writes scalars as tensors
        about = accumulator.summary_metadata.get(tag)
        if about is not None and about.plugin_data.plugin_name == "scalars":
            curves[tag] = {
                event.step: make_ndarray(event.tensor_proto).item()
                for event in accumulator.Tensors(tag)
            }
    logged = _Logged(folder, curves)
    about = accumulator.summary_metadata
    if metadata.SESSION_START_INFO_TAG in about:
        content = about[metadata.SESSION_START_INFO_TAG].plugin_data.content
        start = metadata.parse_session_start_info_plugin_data(content)
        logged.hyperparameters = {
            name: getattr(value, str(value.WhichOneof("kind")))
            for name, value in start.hparams.items()
        }
        logged.status = "unfinished"
    if metadata.SESSION_END_INFO_TAG in about:
        content = about[metadata.SESSION_END_INFO_TAG].plugin_data.content
        end = metadata.parse_session_end_info_plugin_data(content)
        logged.status = "failed" if end.status == api_pb2.STATUS_FAILURE else "finished"
    return logged


def _with_hyperparameters(logged: Sequence[_Logged]) -> list[_Logged]:
    """Move hyperparameters from the folders that torch adds to the folders with the curves."""
    by_folder = {one.folder: one for one in logged}
    own = []
    for one in logged:
        outer = by_folder.get(one.folder.parent)
        is_curve = any(len(curve) > 1 for curve in one.curves.values())
        if outer and outer.curves and one.hyperparameters and not is_curve:
            outer.hyperparameters, outer.status = one.hyperparameters, one.status
        else:
            own.append(one)
    return own


def _no_known_tag(logdir: Path, logged: Sequence[_Logged], tags: Mapping[str, str]) -> str:
    found = sorted({tag for one in logged for tag in one.curves})
    if not found:
        return f"the event files in {logdir} hold no scalar: name a folder whose files do"
    listed = ", ".join(found[:_MOST_LISTED]) + (", ..." if len(found) > _MOST_LISTED else "")
    fitting = [name for name, preset in _PRESETS.items() if set(preset.values()) & set(found)]
    option = fitting[0] if fitting else f"train_loss={found[0]},..."
    return (
        f"no event file in {logdir} has a tag {', '.join(tags.values())}; their tags are {listed}: "
        f"type --tags {option}"
    )


def _trial_rows(logdir: Path, found: Sequence[_Logged], notes: list[str]) -> list[dict[str, Any]]:
    """Return the rows of `trials`, without the columns that come from the records."""
    rows, unknown, nameless = [], Counter[str](), []
    for one in found:
        inside = one.folder.relative_to(logdir)
        name = inside.as_posix() if inside.parts else logdir.absolute().name
        settings, others = from_hyperparameters(one.hyperparameters)
        settings = from_folder(name) | settings
        if not settings.keys() - {"seed", "dataset", "model"}:
            nameless.append(name)
        unknown.update(others)
        rows.append(
            {
                "trial": name,
                "status": one.status,
                "error": None,
                "threads": None,
                **dict.fromkeys(SETTINGS),
                "dataset": UNRECORDED,
                **settings,
            }
        )
    if nameless:
        raise ConfigError(
            f"the settings of {nameless[0]} are unknown"
            + (f" (and of {len(nameless) - 1} more)" if nameless[1:] else "")
            + ": its files hold no hyperparameters, so name its folder by them, such as "
            "sgd_lr0.1_batch32 or optimizer=sgd,lr=0.1"
        )
    if unknown:
        notes.append(f"Hyperparameters that are no settings here: {', '.join(sorted(unknown))}.")
    _number_repeats(rows, notes)
    return rows


def _number_repeats(rows: Sequence[dict[str, Any]], notes: list[str]) -> None:
    """Number the trials with the same settings and no seed as seeds.

    Raises: ConfigError if two trials have the same seed, too.
    """
    taken: dict[tuple[Any, ...], str] = {}
    repeats = 0
    names = [name for name in settings_in({name for row in rows for name in row}) if name != "seed"]
    for row in rows:
        point = tuple(row.get(name) for name in names)
        if row["seed"] is None:
            repeat = next(n for n in range(len(rows)) if (*point, n) not in taken)
            row["seed"] = repeat
            repeats += repeat > 0
        if other := taken.get((*point, row["seed"])):
            raise ConfigError(
                f"{other} and {row['trial']} have the same settings and seed: name a folder that "
                "holds only one of them"
            )
        taken[*point, row["seed"]] = row["trial"]
    if repeats:
        notes.append(
            "Trials with the same settings and no recorded seed count as repeats: "
            f"{repeats} of {len(rows)}."
        )


def _record_rows(
    found: Sequence[_Logged], names: Sequence[str], tags: Mapping[str, str], notes: list[str]
) -> pd.DataFrame:
    """Return the table of records: a row for each step of a trial at which a tag has a value."""
    quantities = {tag: name for name, tag in tags.items()}
    tables = []
    for one, trial in zip(found, names, strict=True):
        curves = {
            quantities.get(tag, tag.replace(OBSERVED, "observed_", 1)): pd.Series(curve)
            for tag, curve in one.curves.items()
            if tag in quantities or tag.startswith(OBSERVED)
        }
        table = pd.DataFrame(curves).sort_index().rename_axis("step").reset_index()
        table.insert(0, "trial", trial)
        losses = one.curves.get(tags.get("train_loss", ""), {})
        has_diverged = bool(losses) and not math.isfinite(losses[max(losses)])
        table["diverged"] = [*[False] * (len(table) - 1), has_diverged]
        tables.append(table)
    records = pd.concat(tables, ignore_index=True)
    for name in _MEASURED:
        if name not in records:
            records[name] = math.nan
        elif name.endswith("_accuracy") and records[name].max() > 1:
            if records[name].max() > 100:
                raise ConfigError(
                    f"{tags[name]} is no accuracy, it reaches {records[name].max():g}: name "
                    "another tag, or omit it, with --tags"
                )
            records[name] /= 100
            notes.append(f"{tags[name]} is above 1, so it is read as percent.")
    return records
