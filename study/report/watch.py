"""The page of a run that is still training: progress, curves so far, the best so far."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from study.analysis.results import Results, load_run
from study.analysis.search import is_search
from study.analysis.wording import format_measurement, label, pluralize
from study.report.findings import Findings
from study.report.page.write import Live, write_page
from study.runs import layout
from study.runs.collect import collect, tables_are_current
from study.runs.run_folder import RunFolder

SECONDS = 10
"""Seconds between two versions of the page."""
_MAX_RUNNING = 12


def watch(folder: RunFolder, path: Path, console: Console, seconds: float = SECONDS) -> None:
    """Write the page of a run to `path` every few `seconds`, until all trials have ended.

    Nothing else is written: the run's tables belong to the command that trains.

    Raises: ConfigError if the folder holds no run; OSError if nothing can be read or written.
    """
    load_run(folder.path)
    console.print(f"  Page: {path}")
    console.print(f"It is rewritten every {seconds:g} seconds, and reloads itself. Ctrl-C ends.")
    printed, looks_at_end = "", 0
    # A search or a range test plans its last trials when all others have ended, so look a second
    # time before calling it the end.
    while looks_at_end < 2:
        results = _current(folder)
        has_ended = _has_ended(folder, results)
        looks_at_end = looks_at_end + 1 if has_ended else 0
        live = None if looks_at_end == 2 else Live(seconds, **_progress(results))
        write_page([Findings(results, folder.path, has_tables=False)], path, live)
        text = live.summary if live else "All trials have ended."
        if text != printed:
            console.print(text)
            printed = text
        if looks_at_end < 2:
            time.sleep(seconds)


def _current(folder: RunFolder) -> Results:
    """Return what the trials have written by now."""
    with tempfile.TemporaryDirectory(prefix="study-watch-") as name:
        tables = Path(name)
        shutil.copy(folder.path / layout.METADATA, tables)
        collect(folder, tables)
        return Results.load(tables)


def _has_ended(folder: RunFolder, results: Results) -> bool:
    is_current = folder.is_copy or tables_are_current(folder)
    return is_current and not (results.trials["status"] == "unfinished").any()


def _progress(results: Results) -> dict[str, Any]:
    """Return the fields of `Live` that describe the run's progress."""
    trials, objective = results.trials, results.objective
    ended = trials[trials["status"] != "unfinished"]
    started = trials[(trials["status"] == "unfinished") & trials["step"].notna()]
    planned = len(trials)
    if is_search(results):
        planned = max(planned, int(results.run.options.get("trials") or 0) * results.run.seeds)
    running = []
    for trial in started.head(_MAX_RUNNING).to_dict("records"):
        text = f"{trial['trial']}: epoch {trial['epoch']:.3g}"
        value = trial.get(objective)
        if value is not None and value == value:
            unit = " %" if objective.endswith("_accuracy") else ""
            text += f", {label(objective)} {format_measurement(objective, value)}{unit}"
        running.append(text)
    summary = f"{len(ended)} of {pluralize(planned, 'trial')} ended, {len(started)} are training."
    return {"ended": len(ended), "planned": planned, "running": running, "summary": summary}
