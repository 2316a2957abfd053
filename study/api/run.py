"""A run, as a notebook reads it: its tables, its answer, its verdicts, its figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenet.config import ConfigError
from study.api.places import Place, location
from study.runs import layout
from study.runs.run_folder import RunFolder
from study.terminal import make_console

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from study.analysis.results import Results
    from study.report.findings import Findings


class Run:
    """A run in a folder or a bucket, finished or not.

    Everything is read when it is first used, and then cached. To see what has been trained since,
    `load` the run again.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"<Run of {self.results.run.study} in {self.place}: {len(self.trials)} trials>"

    @property
    def place(self) -> str:
        """Where the run lives: a folder, or the URL of a folder in a bucket."""
        return str(self._folder.home)

    @property
    def path(self) -> Path:
        """The folder of the run's tables, figures and page; for a run in a bucket, its copy."""
        return self._folder.path

    @cached_property
    def results(self) -> Results:
        """The run's results, as `study.analysis`, `study.tables` and `study.figures` read them."""
        from study.analysis.results import Results

        return Results.load(self.path)

    @cached_property
    def _findings(self) -> Findings:
        from study.report.findings import Findings

        return Findings(self.results, self.path)

    @property
    def trials(self) -> pd.DataFrame:
        """A row per trial: its settings, its status, and the numbers of its last record.

        Accuracies are in [0, 1], losses in nats per sample, times in seconds.
        """
        return self.results.trials

    @property
    def records(self) -> pd.DataFrame:
        """A row per record of a trial's curve: `trial`, `step`, `epoch`, losses, accuracies."""
        return self.results.records

    @property
    def is_complete(self) -> bool:
        """Whether every trial has ended: finished, diverged, stopped by a scheduler."""
        return len(self.results.completed) == len(self.trials)

    @property
    def leaderboard(self) -> pd.DataFrame:
        """A row per point, best first, with 95% intervals over its seeds.

        `study.analysis.leaderboard` has the columns. Empty for a run that compares workers.
        """
        return self._findings.board

    @property
    def best(self) -> dict[str, Any]:
        """The settings of the best point, the first row of the leaderboard, as plain values.

        A setting that the point leaves unset is None.

        Raises: ConfigError if the run ranks nothing, or has several data sets.
        """
        from study.analysis.leaderboard import settings_of
        from study.runs.plain_settings import plain_setting

        board = self.leaderboard
        if board.empty:
            raise ConfigError(f"{self.place} has no point to rank: see its `trials`")
        if board["dataset"].nunique() > 1:
            raise ConfigError(
                f"{self.place} has a best point on each of its data sets: see its `leaderboard`"
            )
        top = board.iloc[0]
        names = settings_of(board, self.results.objective)
        return {name: plain_setting(name, top[name]) for name in names}

    @property
    def answer(self) -> list[str]:
        """The findings of the run in words, one line each."""
        return self._findings.answer

    @cached_property
    def claims(self) -> pd.DataFrame:
        """A row per claim of the study's report, with its verdict and the evidence.

        `study.report.claims_table` has the columns.
        """
        from study.report.claims_table import claims_table

        return claims_table(self._findings)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The study's own tables, by name."""
        return {name: table for name, (_, table) in self._findings.tables.items()}

    @property
    def figures(self) -> list[str]:
        """The names that `figure` takes. Some may have no data in this run."""
        from study.figures.draw import figure_names

        return figure_names(self._findings.study, self.results)

    def figure(self, name: str, *, footer: bool = True) -> Figure:
        """Draw a figure of the report, with or without the lines below it.

        Raises: ConfigError if there is no figure of this name, or no data for it.
        """
        from study.figures import style
        from study.figures.draw import draw_one

        with style.footers(shown=footer):
            return draw_one(self._findings.study, self.results, name)

    @property
    def page(self) -> Path:
        """The path of the run's page, `report.html`. Raises: ConfigError if it has none yet."""
        path = self.path / layout.PAGE
        if not path.is_file():
            raise ConfigError(f"{self.path} has no {layout.PAGE} yet: call report() of the run")
        return path

    def report(self, *, footer: bool = True, quiet: bool = False) -> Path:
        """Write figures, tables, verdicts and the page anew, and return the path of the page.

        Raises: ConfigError if the run cannot be read, OSError if its folder cannot be written.
        """
        from study.report.summary import summarize

        summarize(self.path, make_console(quiet=quiet), footer=footer)
        self._folder.publish()
        return self.page


def load(place: Place, note: Callable[[str], object] = print) -> Run:
    """Open a run, finished or not, and bring its tables up to date.

    `place` is a folder, or the URL of a folder in a bucket. If the bucket cannot be reached, its
    local copy is read, and `note` is called with a line that says so.

    Raises: ConfigError if there is no run.
    """
    return Run(open_run(place, note))


def open_run(place: Place, note: Callable[[str], object] = print) -> RunFolder:
    """Open the run and bring its tables up to date; use the copy if the bucket is unreachable.

    `note` is called with a message for the user. Raises: ConfigError if there is no run.
    """
    from study.analysis.results import load_run
    from study.runs.collect import refresh

    run = RunFolder(location(place))
    if run.is_copy:
        try:
            run = RunFolder.open(location(place))
        except ConfigError as error:
            if not (run.path / layout.TRIALS_TABLE).is_file():
                raise
            note(f"{error}\nReporting the local copy.")
            return run
    load_run(run.path)
    refresh(run)
    return run
