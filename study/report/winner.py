"""The best trial of a run: where its trained model is, and the command that trains it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import search_spaces
from lenet.config import ConfigError, TrainConfig, settings_in
from search_spaces import kept
from search_spaces.objective import maximized, tie_order
from search_spaces.search_names import confirmed_number
from study.analysis.range_test import RAMP
from study.analysis.results import Results
from study.analysis.search import confirmed_points, is_search
from study.runs import layout

_GRID = "fan"
"""The study whose grid trains the winner of a search, which has no grid."""
_AGAIN = "To train {} again, type"
_BRIEF = 160
"""The length of a command that fits into two lines of a terminal."""


def winner_lines(results: Results, directory: Path) -> list[str]:
    """Return the lines that name the best trial's model and the command that trains it again.

    A run on several data sets has a best trial on each. If a search has confirmed its best points,
    the best one's setting is named, and the model of its best seed. No lines if no trial has
    finished. A run in a bucket has its models there.
    """
    ramps = results.trials["schedule"].astype(str).str.startswith(RAMP)
    finished = results.trials[(results.trials["status"] == "finished") & ~ramps]
    finished = finished.dropna(subset=results.objective)
    if is_search(results) and (points := confirmed_points(results)):
        best_point = points[0]
        is_its = finished["trial"].map(confirmed_number) == best_point.number
        winner = _best_trial(finished[is_its], results.objective)
        lines = _model_line(winner, directory, "the best setting")
        # Up to the last fresh seed, so that the trial of this model is among them.
        confirmed = results.completed["trial"].map(confirmed_number) == best_point.number
        last = int(results.completed.loc[confirmed, "seed"].max())
        again = {k: winner[k] for k in settings_in(winner)} | {"seed": last}
        return lines + _command_lines(retrain_command(results, again), "the best setting")
    lines = []
    for dataset, trials in finished.groupby("dataset"):
        winner = _best_trial(trials, results.objective)
        what = "the best trial"
        if finished["dataset"].nunique() > 1:
            what += f" on {dataset}"
        lines += _model_line(winner, directory, what)
        settings = {k: winner[k] for k in settings_in(winner)}
        lines += _command_lines(retrain_command(results, settings), what)
    return lines


def _best_trial(trials: pd.DataFrame, objective: str) -> dict[str, Any]:
    """Return the row of the trial with the best objective; of equal trials, as `tie_order` says."""
    best = trials[objective].agg("max" if maximized(objective) else "min")
    tied = trials[trials[objective] == best].to_dict("records")
    return min(({str(k): row[k] for k in row} for row in tied), key=tie_order)


def _model_line(winner: Mapping[str, Any], directory: Path, what: str) -> list[str]:
    model = Path(layout.TRIALS, str(winner["trial"]), layout.MODEL)
    return [f"Trained model of {what}: {model}"] if (directory / model).is_file() else []


def _command_lines(command: str | None, what: str) -> list[str]:
    return [_AGAIN.format(what), f"  {command}"] if command else []


def in_brief(lines: Sequence[str]) -> list[str]:
    """Return the lines of a winner for a terminal: the page alone has commands that are long."""
    brief: list[str] = []
    for line in lines:
        if line.startswith("  ") and len(line) > _BRIEF:
            before, after = _AGAIN.split("{}")
            what = brief.pop().removeprefix(before).removesuffix(after)
            brief.append(f"The page has the command that trains {what} again")
        else:
            brief.append(line)
    return brief


def retrain_command(results: Results, settings: Mapping[str, Any]) -> str | None:
    """Return the command that trains exactly this config again; None if no grid contains it."""
    try:
        wanted = TrainConfig.from_dict({k: _setting(v) for k, v in settings.items()})
        name = results.run.study
        if kept.is_in_memory(name):  # no command can name it
            return None
        if search_spaces.find(name).space:
            name = _GRID
        study = search_spaces.find(name)
        pinned = {name for name in (*results.run.choices, *study.dimensions) if name != "seed"}
        # Settings that still differ follow from the run's data set or from a search's space.
        for _ in range(2):
            # A user keyword that this trial lacks belongs to a part that the trial does not use.
            set_here = [
                name for name in sorted(pinned) if "." not in name or wanted.get(name) is not None
            ]
            choices = {setting: [_text(wanted.get(setting))] for setting in set_here}
            plan = study.with_choices(choices).plan(results.run.budget, wanted.seed + 1)
            if any(planned.config == wanted for planned in plan):
                break
            others = [planned.config for planned in plan if planned.config.seed == wanted.seed]
            pinned |= {
                name
                for name in settings_in([*others[0].to_dict(), *wanted.to_dict()])
                if others[0].get(name) != wanted.get(name)
            }
        else:
            return None
    except (ConfigError, IndexError):  # the study has changed since
        return None
    words = ["python", "-m", "study.grid", name, "--budget", results.run.budget]
    for setting, (value,) in choices.items():
        words += ["--set", f"{setting}={value}"]
    return shlex.join([*words, "--seeds", str(wanted.seed + 1)])


def _setting(value: Any) -> Any:
    """Return a cell of the table of trials as a setting; a missing one is None."""
    return None if value is None or value != value else value


def _text(value: Any) -> str:
    """Return a setting as the command line takes it."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
