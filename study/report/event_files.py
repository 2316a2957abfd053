"""Figures of trials that were logged for TensorBoard, by this project or by anybody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

import search_spaces
from lenet.config import SETTINGS, ConfigError
from search_spaces.study import Figure
from study.analysis.results import Results
from study.analysis.wording import format_value, label, pluralize, provenance
from study.figures import style
from study.figures.draw import draw_figures
from study.report.findings import Findings
from study.report.page.write import write_page
from study.report.spreadsheet import write_spreadsheet
from study.runs import layout
from study.runs.event_reader import UNRECORDED, read_event_files
from study.runs.metadata import EVENT_FILES_TOOL, DatasetInfo, RunMetadata

_FAN = "fan"
_SHOWN = ("optimizer", "lr", "batch_size")
"""The settings that Fan's figures of learning curves show."""


def report_event_files(
    logdir: Path,
    tags: Mapping[str, str],
    out: Path,
    console: Console,
    *,
    footer: bool = True,
    xlsx: bool = False,
) -> None:
    """Write the page, figures 1 to 4 of Fan's report and a grid's default figures into `out`.

    `tags`: see `study.runs.event_reader.parse_tags`. If `logdir` is the folder of a run, its
    `run.json` tells budget and device, which no event file does.

    Raises: ConfigError if the trials cannot be read (see `read_event_files`) or none has ended;
        OSError if nothing can be written.
    """
    tables = read_event_files(logdir, tags)
    run = _metadata(logdir)
    trials = tables.trials.assign(device=run.device)
    results = Results(run=run, trials=trials, records=tables.records)
    console.print()
    console.print(f"Read {pluralize(len(trials), 'trial')} from {logdir}.")
    for setting in results.varied_settings:
        values = ", ".join(map(format_value, results.values_of(setting)))
        console.print(f"  {label(setting)}: {values}")
    for note in tables.notes:
        console.print(f"  {note}")
    if results.completed.empty:
        raise ConfigError(f"no trial in {logdir} has ended yet: there is nothing to draw")
    console.print(f"Measured: {provenance(run, results.completed)}.")
    figures = _fan_figures(results, console)
    with style.footers(shown=footer):
        files = draw_figures(figures, results, out / layout.FIGURES, console.print)
    findings = Findings(results, logdir, has_tables=False)
    console.print(f"  Page: {write_page([findings], out / layout.PAGE)}")
    names = sorted({path.stem for path in files})
    console.print(f"  {pluralize(len(names), 'figure')} in {out / layout.FIGURES}:")
    console.print(f"    {', '.join(names)}")
    if xlsx:
        sheets = write_spreadsheet(results, out / layout.SPREADSHEET)
        console.print(f"  Curves in {out / layout.SPREADSHEET} ({', '.join(sheets)})")


def _metadata(logdir: Path) -> RunMetadata:
    """Return what is known of where the trials were trained."""
    path = logdir / layout.METADATA
    if path.is_file():
        return replace(RunMetadata.read(path), tool=EVENT_FILES_TOOL)
    return RunMetadata(
        tool=EVENT_FILES_TOOL,
        study="event files",
        budget=UNRECORDED,
        dataset=DatasetInfo(UNRECORDED),
        device=f"device {UNRECORDED}",
    )


def _fan_figures(results: Results, console: Console) -> list[Figure]:
    """Return Fan's figures 1 to 4, or none if the trials lack the settings that these show.

    Other people's trials need not be Fan's grid, so no title names his figures.
    """
    known = {name for name in SETTINGS if results.trials[name].notna().any()}
    unknown = [name for name in _SHOWN if name not in known]
    if unknown:
        missing = " and ".join(map(label, unknown))
        console.print(f"  Not recorded, so Fan's figures cannot be drawn: {missing}.")
        return []
    figures = [f for f in search_spaces.find(_FAN).figures if f.kind == "curves"]
    return [replace(f, options={**f.options, "where": _known(f, known)}) for f in figures]


def _known(figure: Figure, known: set[str]) -> dict[str, Any]:
    """Return the settings that a figure selects by, without those that no trial has recorded."""
    where: Mapping[str, Any] = figure.options["where"]
    return {name: value for name, value in where.items() if name in known}
