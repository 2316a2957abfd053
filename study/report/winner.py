"""The best trial of a run: where its trained model is, and the command that trains it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
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
_THREE_LINES = 210
"""The length of a command that fits into three lines of a terminal."""


@dataclass(frozen=True)
class Winner:
    """The best trial of a run, or the best setting of a search."""

    what: str
    """`the best trial`, `the best trial on mnist` or `the best setting`"""
    model: Path | None
    """its trained model, relative to the run's folder; None if there is none"""
    command: str | None
    """the command that trains it again; None if no grid contains it"""

    @property
    def lines(self) -> list[str]:
        """The lines for a terminal. A long command is on the page only."""
        lines = [f"Trained model of {self.what}: {self.model}"] if self.model else []
        if self.command and len(self.command) > _THREE_LINES:
            lines.append(f"The page has the command that trains {self.what} again")
        elif self.command:
            lines += [f"To train {self.what} again, type", f"  {self.command}"]
        return lines


def winners(results: Results, directory: Path) -> list[Winner]:
    """Return the best trial on each data set, or the best setting that a search has confirmed.

    The model of a setting is that of its best seed. A run in a bucket has its models there.

    Returns: empty if no trial has finished.
    """
    ramps = results.trials["schedule"].astype(str).str.startswith(RAMP)
    finished = results.trials[(results.trials["status"] == "finished") & ~ramps]
    finished = finished.dropna(subset=results.objective)
    if is_search(results) and (points := confirmed_points(results)):
        trials = results.completed
        of_best = trials[trials["trial"].map(confirmed_number) == points[0].number]
        best = _best_trial(finished[finished["trial"].isin(of_best["trial"])], results.objective)
        # Up to the last fresh seed, so that the trial of this model is among them.
        again = {name: best[name] for name in settings_in(best)}
        command = retrain_command(results, again | {"seed": int(of_best["seed"].max())})
        return [Winner("the best setting", _model(best, directory), command)]
    found = []
    for dataset, trials in finished.groupby("dataset"):
        best = _best_trial(trials, results.objective)
        command = retrain_command(results, {name: best[name] for name in settings_in(best)})
        on_dataset = f" on {dataset}" if finished["dataset"].nunique() > 1 else ""
        found.append(Winner(f"the best trial{on_dataset}", _model(best, directory), command))
    return found


def _best_trial(trials: pd.DataFrame, objective: str) -> dict[str, Any]:
    """Return the row of the trial with the best objective; of equal trials, as `tie_order` says."""
    best = trials[objective].agg("max" if maximized(objective) else "min")
    tied = trials[trials[objective] == best].to_dict("records")
    return min(({str(k): row[k] for k in row} for row in tied), key=tie_order)


def _model(trial: Mapping[str, Any], directory: Path) -> Path | None:
    model = Path(layout.TRIALS, str(trial["trial"]), layout.MODEL)
    return model if (directory / model).is_file() else None


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
