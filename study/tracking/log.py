"""Log the complete trials of a run to trackers, each trial once.

Trials are read from the run's folder. All commands leave them there in the same form, whether they
were packed or not, trained by one worker or several, in a folder or a bucket. A note in a trial's
state says where it has been logged.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import shlex
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import search_spaces
from lenet.records import Record
from search_spaces.study import PlannedTrial
from study.runs.event_file import hyperparameters, scalars, thinned
from study.runs.metadata import RunMetadata
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE
from study.tracking.tracker import LoggedTrial, Moment, open_tracker, without_password

_PAUSE = 20.0
"""seconds between two looks for trials that have ended"""
_SECONDS = "seconds/train"
"""The tag of the training seconds, which event files hold only as the time of an event."""
_LONGEST_REASON = 160
"""the most characters of an error from a tracker's library, which could fill a screen"""


@contextlib.contextmanager
def logged_while_training(folder: RunFolder, trackers: Sequence[str]) -> Iterator[None]:
    """Log trials soon after they end, while the block trains them.

    Prints nothing: `log_trials`, called after the block, logs the rest, or says why it cannot.
    """
    if not trackers:
        yield
        return
    ended = threading.Event()

    def log_again_and_again() -> None:
        elapsed = 0.0
        # For a run in a bucket, each look costs a request per trial. It takes minutes if a server
        # is unreachable.
        while not ended.wait(max(_PAUSE, 10 * elapsed)):
            began = time.monotonic()
            log_trials(folder, trackers)
            elapsed = time.monotonic() - began

    thread = threading.Thread(target=log_again_and_again, name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def log_trials(folder: RunFolder, trackers: Sequence[str]) -> list[str]:
    """Log the complete trials of a run that a tracker does not have yet.

    Returns: a line for each of the `trackers`: what was logged, or why not. If a tracker fails,
    nothing is lost, because its trials can be logged later.
    """
    return [_log(folder, name) for name in trackers]


def _log(folder: RunFolder, name: str) -> str:
    later = f"type python -m study.report {shlex.quote(str(folder.home))} --log {name} later"
    if not folder.is_copy and not folder.writable:
        return f"Not logged to {name}: cannot write to {folder.path}, which notes what is logged."
    logged = known = 0
    try:
        run = folder.run
        study = _study_name(run)
        tracker = open_tracker(name, study)
        place = f"{name} {tracker.place}"
        for planned, trial, state in folder.map_trials(lambda p, t: (p, t, t.state())):
            if state.get("status") not in COMPLETE:
                continue
            if place in state.get("logged", ()):  # before reading its records, which is slow
                known += 1
                continue
            if not (records := trial.records()):
                continue
            tracker.log(
                LoggedTrial(
                    id=_id(run, folder, planned),
                    name=planned.name,
                    run=folder.path.name,
                    settings=hyperparameters({**state, "settings": planned.config.to_dict()}),
                    tags=_tags(study, run, folder, planned, state),
                    **_curve(records, state),
                )
            )
            trial.note_logged(place)
            logged += 1
    except Exception as error:  # a library, a server or a disk failed; the run itself is safe
        so_far = f" after {_trials(logged)}" if logged else ""
        return f"Not logged to {name}{so_far} ({_reason(error)}): {later}."
    before = f", {known} before" if known else ""
    return f"Logged to {name}: {_trials(logged)}{before} ({tracker.place})."


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"


def _study_name(run: RunMetadata) -> str:
    """Return the name of a run's study, which this version of the project may not have."""
    is_known = run.study in search_spaces.studies() or run.definition
    return search_spaces.find(run.study).name if is_known else run.study


def _id(run: RunMetadata, folder: RunFolder, planned: PlannedTrial) -> str:
    text = "\n".join((folder.path.name, run.created, planned.name))
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=6).hexdigest()


def _tags(
    study: str,
    run: RunMetadata,
    folder: RunFolder,
    planned: PlannedTrial,
    state: Mapping[str, Any],
) -> dict[str, str]:
    tags = {
        "study": study,
        "run": folder.path.name,
        "seed": str(planned.config.seed),
        "fleet": state.get("fleet", ""),
        "status": state["status"],
        "budget": run.budget,
        "device": state.get("device") or run.device,
    }
    return {name: value for name, value in tags.items() if value}


def _curve(records: Sequence[Record], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `LoggedTrial` for the curve and the times of the training.

    A trial that was interrupted counts as trained without a break, until it ended.
    """
    ended = datetime.datetime.now(datetime.UTC)
    if text := state.get("ended"):
        ended = datetime.datetime.fromisoformat(text)
    began = ended.timestamp() - records[-1].train_seconds
    moments = [
        Moment(
            step=record.step,
            at=began + record.train_seconds,
            metrics={**scalars(record), _SECONDS: record.train_seconds},
        )
        for record in (records[i] for i in thinned(records))
    ]
    return {"curve": moments, "began": began, "ended": ended.timestamp()}


def _reason(error: Exception) -> str:
    text = without_password(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
