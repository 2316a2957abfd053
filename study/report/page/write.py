"""Write the page of one run or of several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

import search_spaces
from lenet.config import settings_in
from search_spaces import kept
from search_spaces.objective import maximized
from search_spaces.study import Claim
from study.analysis.hardware import Hardware, measured_seconds
from study.analysis.range_test import RAMP
from study.analysis.results import Results
from study.analysis.speedup import is_scaling
from study.analysis.wording import (
    format_duration,
    format_setting,
    format_value,
    label,
    pluralize,
)
from study.claims.verdict import NOT_TESTED
from study.report.findings import Findings
from study.report.page.figures import describe_figures
from study.report.page.points import describe_points
from study.runs.trial_folder import UNTHINNED

_SCRIPTS = ("data", "scales", "inspect", "plot", "curves", "bars", "tables", "page")
"""The files of the page's script, in the order in which they are read."""


@dataclass(frozen=True)
class Live:
    """The progress of a run that still trains, while its page is written again and again."""

    seconds: float
    """interval at which the page reloads itself"""
    ended: int
    planned: int
    running: Sequence[str]
    """how far some of the unfinished trials have come"""
    summary: str


def write_page(runs: Sequence[Findings], path: Path, live: Live | None = None) -> Path:
    """Write one page about `runs`, at least one, and return its `path`.

    `live`: the progress of a run that is still training.

    The page holds its style, its script and all numbers that it draws. It loads nothing.

    Raises: OSError if the file cannot be written.
    """
    names = [findings.directory.name for findings in runs]
    if len(set(names)) < len(names):
        names = [str(findings.directory) for findings in runs]
    described = [
        _describe(findings, name, number)
        for number, (findings, name) in enumerate(zip(runs, names, strict=True), 1)
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("study.report.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("page.html").render(
        runs=described,
        live=live,
        data=_as_script([run.pop("data") for run in described]),
        style=_asset("page.css"),
        script="".join(_asset(f"{name}.js") for name in _SCRIPTS),
    )
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(page, encoding="utf-8", errors="replace")
    temporary.replace(path)
    return path


def _asset(name: str) -> str:
    return resources.files("study.report.page").joinpath("assets", name).read_text("utf-8")


def _as_script(document: Any) -> str:
    """Return JSON in which no text can end the page's script element."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _describe(findings: Findings, name: str, number: int) -> dict[str, Any]:
    """Return what the template shows of a run; `data` is for the script."""
    results, study = findings.results, findings.study
    objective = results.objective
    figures = describe_figures(findings)
    return {
        "number": number,
        "name": name,
        "study": _study_name(results.run.study),
        "question": study.question if study else "",
        "source": study.source if study else "",
        "provenance": findings.provenance,
        "answer": [line.strip() for line in _joined(findings.answer)],
        "conclusions": findings.conclusions,
        "winners": [winner for winner in findings.winners if winner.command],
        "claims": [
            {"claim": claim, "verdict": verdict, "slug": verdict.verdict.replace(" ", "-")}
            for claim, verdict in findings.judged
        ],
        "untested": _untested(findings),
        "hardware": _hardware(findings),
        "tables": [
            {
                "name": name,
                "title": declared.title,
                "columns": [label(str(column)) for column in table],
                "rows": [
                    [format_value(cell) for cell in row] for row in table.itertuples(index=False)
                ],
            }
            for name, (declared, table) in findings.tables.items()
        ],
        "facts": _facts(findings),
        "settings": _shared_settings(findings),
        "command": results.run.command,
        "has_board": len(findings.board) > 0,
        "data": {
            "name": name,
            "objective": objective,
            "label": label(objective),
            "maximized": maximized(objective),
            "isScaling": is_scaling(results),
            "provenance": findings.provenance,
            "figures": figures,
            **describe_points(results, findings.board),
        },
    }


def _untested(findings: Findings) -> list[dict[str, Any]]:
    """Return each reason why claims are not tested, with these claims."""
    by_reason: dict[str, list[Claim]] = {}
    for claim, verdict in findings.judged:
        if verdict.verdict == NOT_TESTED:
            by_reason.setdefault(verdict.evidence, []).append(claim)
    return [{"reason": reason, "claims": claims} for reason, claims in by_reason.items()]


def _hardware(findings: Findings) -> dict[str, Any] | None:
    """Return the ways to use the hardware, predicted and as measured; None for older runs."""
    results = findings.results
    if not results.run.hardware:
        return None
    hardware = Hardware.from_json(results.run.hardware)
    seconds = measured_seconds(results)
    measured = (
        "unknown: a trial was retried, resumed or reused, or has not ended"
        if seconds is None
        else format_duration(seconds)
    )
    choices = []
    for choice in hardware.choices:
        choices.append(
            {
                "name": choice.name,
                "is_chosen": choice.is_chosen,
                "predicted": choice.format_seconds(),
                "measured": measured if choice.is_chosen else "not run",
                "how": "; ".join(filter(None, (choice.how, choice.missing))),
            }
        )
    return {
        "machine": hardware.machine,
        "trials": hardware.trials,
        "choices": choices,
        "fastest": hardware.fastest,
        "basis": hardware.basis,
    }


def _study_name(name: str) -> str:
    """Return the name of a run's study, or the path that leads to the user's own study."""
    return search_spaces.find(name).name if kept.is_in_memory(name) else name


def _joined(lines: Sequence[str]) -> list[str]:
    """Join each indented line to the one that it continues: a capital begins a sentence."""
    joined: list[str] = []
    for line in lines:
        if line.startswith("  ") and joined:
            more = line.strip()
            joined[-1] += f"{'.' if more[:1].isupper() else ';'} {more}"
        else:
            joined.append(line)
    return joined


def _facts(findings: Findings) -> list[tuple[str, str]]:
    run = findings.results.run
    statuses = findings.results.trials["status"].value_counts()
    facts = [
        ("study", f"{_study_name(run.study)}, budget {run.budget}"),
        (
            "data set",
            f"{run.dataset.name} ({run.dataset.source})"
            if run.dataset.source
            else run.dataset.name,
        ),
        ("device", run.device),
        ("trials", ", ".join(f"{count} {status}" for status, count in statuses.items())),
        ("records", _records(findings.results)),
        ("scheduler", run.scheduler),
        ("created", run.created.replace("T", " ").replace("+00:00", " UTC")),
        ("versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("commit", run.commit or "not recorded"),
        ("not reported", "; ".join(findings.not_reported)),
    ]
    return [(name, value) for name, value in facts if value]


def _records(results: Results) -> str:
    count = f"{len(results.records):,}"
    thinned = results.trials.get(f"{UNTHINNED}records", pd.Series(dtype=float)).notna().sum()
    return f"{count}; those of {pluralize(thinned, 'trial')} were thinned" if thinned else count


def _shared_settings(findings: Findings) -> list[tuple[str, str]]:
    """Return the settings that are the same in all trials, and the values of all others."""
    results = findings.results
    settings = []
    for name in settings_in(results.trials):
        if name == "seed":
            continue
        values = results.values_of(name)
        if values and values != [None]:
            shown = [format_setting(name, value) for value in values]
            text = ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if shown[12:] else "")
            settings.append((label(name), text.replace(RAMP, "ramp ")))
    return settings
