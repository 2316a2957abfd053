"""The best setting of a run: where its model is, and the command that trains it again."""

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
from study.analysis.leaderboard import settings_of, without_ramps_and_confirmations
from study.analysis.results import Results, select
from study.analysis.search import confirmed_points, is_search
from study.runs import layout

_GRID = "fan"
"""The study whose grid trains the winner of a search, which has no grid."""
_THREE_LINES = 210
"""The length of a command that fits into three lines of a terminal."""


@dataclass(frozen=True)
class Winner:
    """The best setting of a run, or its best trial if that has another setting."""

    what: str
    """`the best setting` or `the best trial`, with ` on mnist` if there are several data sets"""
    model: Path | None
    """its trained model, relative to the run's folder; None if there is none"""
    command: str | None
    """the command that trains it again, with all its seeds; None if no grid contains it"""

    @property
    def lines(self) -> list[str]:
        """The lines for a terminal. A long command is on the page only."""
        lines = [f"Trained model of {self.what}: {self.model}"] if self.model else []
        if self.command and len(self.command) > _THREE_LINES:
            lines.append(f"The page has the command that trains {self.what} again")
        elif self.command:
            lines += [f"To train {self.what} again, type", f"  {self.command}"]
        return lines


def winners(results: Results, board: pd.DataFrame, directory: Path) -> list[Winner]:
    """Return the best setting on each data set, or the best one that a search has confirmed.

    Its model is that of its best seed. By default, a run keeps only the model of its best trial. If
    that trial has another setting, it follows as a `Winner` without a command. Models of a run in a
    bucket are not looked for.

    `board`: the leaderboard of the run.
    Returns: empty if no trial has finished.
    """
    completed = results.completed
    if is_search(results) and (points := confirmed_points(results)):
        confirmed = completed["trial"].map(confirmed_number) == points[0].number
        return [_best_setting(results, completed[confirmed], "", directory)]
    ranked = without_ramps_and_confirmations(results).completed
    finished = _finished(ranked, results.objective)
    settings = settings_of(board, results.objective)
    found = []
    for dataset, trials in finished.groupby("dataset"):
        on_dataset = f" on {dataset}" if finished["dataset"].nunique() > 1 else ""
        best_point = board[board["dataset"] == dataset].iloc[0]
        # A search leaves some settings of a trial out of the table that it ranks.
        its_trials = select(ranked, {name: best_point[name] for name in settings})["trial"]
        of_best = completed[completed["trial"].isin(its_trials)]
        found.append(_best_setting(results, of_best, on_dataset, directory))
        model = _model(_best_trial(trials, results.objective), directory)
        if model and model not in (winner.model for winner in found):
            found.append(Winner(f"the best trial{on_dataset}", model, None))
    return found


def _best_setting(
    results: Results, trials: pd.DataFrame, on_dataset: str, directory: Path
) -> Winner:
    """Return the setting that these trials have in common, with the model of the best of them."""
    finished = _finished(trials, results.objective)
    best = _best_trial(finished, results.objective) if len(finished) else {}
    # Up to the last seed, so that all these trials are among them.
    (last,) = trials.nlargest(1, "seed").to_dict("records")
    command = retrain_command(results, {name: last[name] for name in settings_in(last)})
    return Winner(f"the best setting{on_dataset}", _model(best, directory), command)


def _finished(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    return trials[trials["status"] == "finished"].dropna(subset=objective)


def _best_trial(trials: pd.DataFrame, objective: str) -> dict[str, Any]:
    """Return the row of the trial with the best objective; of equal trials, as `tie_order` says."""
    best = trials[objective].agg("max" if maximized(objective) else "min")
    tied = trials[trials[objective] == best].to_dict("records")
    return min(({str(k): row[k] for k in row} for row in tied), key=tie_order)


def _model(trial: Mapping[str, Any], directory: Path) -> Path | None:
    model = Path(layout.TRIALS, str(trial.get("trial")), layout.MODEL)
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
