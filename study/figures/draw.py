"""Draw the figures of a run: those that its study declares, and those that every grid has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Picture

from lenet.config import ConfigError, settings_in, unknown_name
from search_spaces.study import Figure, Study
from study.analysis.results import Results, select
from study.analysis.wording import format_value
from study.figures import style
from study.figures.defaults import default_figures
from study.kinds import Kinds, OwnKindFailed

KINDS = Kinds(
    "study.figures",
    "draw",
    "figure",
    frozenset({"defaults", "draw", "scales", "style", "search_trials", "workers"}),
)


def draw_all(
    study: Study | None, results: Results, out_dir: Path, note: Callable[[str], object] = print
) -> list[Path]:
    """Draw the figures of a run into `out_dir`, each as PNG, SVG and PDF, and return the files.

    A figure that repeats a published one is drawn only if the run trained the values that `study`
    declares for it; any other grid has its `default_figures` instead. The title names the source
    only if all settings except the budget's are the study's. One `note` names the figures for which
    the run has no data, and one says why a figure of the user's own kind failed.

    Raises: ConfigError if a kind does not exist or does not take the options of its figure.
    """
    return draw_figures(_declared_figures(study, results), results, out_dir, note)


def figure_names(study: Study | None, results: Results) -> list[str]:
    """Return the names of the figures that `draw_all` draws if the run has their data."""
    return [figure.name for figure in _all_figures(study, results)]


def draw_one(study: Study | None, results: Results, name: str) -> Picture:
    """Draw the figure of a run whose files have this `name`.

    Raises: ConfigError if the run has no such figure or no data for it.
    """
    figures = _all_figures(study, results)
    drawn: dict[str, Picture] = {}
    for figure in figures:
        if name.startswith(figure.name):
            pictures = KINDS.call(figure, results, figure.title)
            drawn |= {figure.name + suffix: picture for suffix, picture in pictures.items()}
    if name in drawn:
        return drawn[name]
    if drawn:
        raise ConfigError(f"figure {name} is {len(drawn)} figures: name {' or '.join(drawn)}")
    known = [figure.name for figure in figures]
    if name in known:
        raise ConfigError(f"figure {name} has no data in this run")
    raise ConfigError(unknown_name(name, known, "figure of this run"))


def _all_figures(study: Study | None, results: Results) -> list[Figure]:
    return [*_declared_figures(study, results), *default_figures(results)]


def _declared_figures(study: Study | None, results: Results) -> list[Figure]:
    """Return the study's figures that fit what the run trained, with their titles."""
    defaults = default_figures(results)
    chosen = []
    for declared in study.figures if study else ():
        title = declared.title
        if declared.source and study:
            repetition = _Repetition(study, results, declared)
            if defaults and not repetition.has_all_values:
                continue
            if repetition.is_exact:
                title = f"{title} ({declared.source})"
        chosen.append(replace(declared, title=title))
    return chosen


def draw_figures(
    declared: Sequence[Figure],
    results: Results,
    out_dir: Path,
    note: Callable[[str], object] = print,
) -> list[Path]:
    """Draw `declared` figures and the run's default ones as `draw_all` does."""
    out_dir.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    missing = []
    for figure in declared:
        try:
            written = _draw(figure, results, out_dir)
        except OwnKindFailed as error:
            note(f"Not reported: {error}.")
            continue
        files += written
        if not written:
            missing.append(figure.name)
    for figure in default_figures(results):
        files += _draw(figure, results, out_dir)
    if missing:
        note(f"Figures without data in this run: {', '.join(missing)}.")
    return files


def _draw(figure: Figure, results: Results, out_dir: Path) -> list[Path]:
    files: list[Path] = []
    for suffix, picture in KINDS.call(figure, results, figure.title).items():
        files += style.save(picture, out_dir / (figure.name + suffix))
    return files


class _Repetition:
    """The match between a run and what a study declares for a figure, whatever the budget."""

    def __init__(self, study: Study, results: Results, figure: Figure) -> None:
        planned = [
            {name: _cell(value) for name, value in trial.config.to_dict().items()}
            for trial in study.plan(results.run.budget, seeds=1)
        ]
        where = figure.options.get("where", {})
        self._declared = select(pd.DataFrame(planned, dtype=object), where)
        self._trained = select(results.trials, where)
        self._dimensions = list(study.dimensions)
        budgets = [study.budgets, *(grid.budgets for grid in study.grids)]
        self._lengths = {name for by in budgets for settings in by.values() for name in settings}

    @property
    def has_all_values(self) -> bool:
        """Whether the run trained the declared values of all dimensions, and no others."""
        return self._same(self._dimensions)

    @property
    def is_exact(self) -> bool:
        """Whether the other settings, such as the data set, are the declared ones, too."""
        fixed = [n for n in settings_in(self._trained) if n not in {*self._lengths, "seed"}]
        return self._same([name for name in fixed if name in self._declared])

    def _same(self, settings: list[str]) -> bool:
        return _points(self._declared, settings) == _points(self._trained, settings)


def _cell(value: Any) -> Any:
    """Return the value of a setting as `Results` has it."""
    return "+".join(map(str, value)) if isinstance(value, list) else value


def _points(trials: pd.DataFrame, settings: list[str]) -> set[tuple[Any, ...]]:
    """Return the distinct values of these settings, as text: a table holds 1 as 1.0."""
    columns = (trials[name].map(format_value) for name in settings)
    return set(zip(*columns, strict=True))
