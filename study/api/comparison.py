"""Runs compared with a first one, as a notebook reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lenet.config import ConfigError
from study.api.places import Place
from study.api.run import Run, load
from study.terminal import make_console

if TYPE_CHECKING:
    import pandas as pd

    from study.analysis.compare_runs import RunComparison


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs compared with the first of them."""

    pairs: list[RunComparison]
    """one for each run but the first"""

    def __repr__(self) -> str:
        return f"<Comparison: {' '.join(self.sentences)}>"

    @property
    def points(self) -> pd.DataFrame:
        """A row per point that a run shares with the first, with the difference and its interval.

        `study.analysis.compare_runs.RunComparison` has the columns.
        """
        import pandas as pd

        tables = [pair.points.assign(run=pair.second.name) for pair in self.pairs]
        return pd.concat(tables, ignore_index=True)

    @property
    def differing(self) -> pd.DataFrame:
        """A row per setting, data set, budget, device, version or code that differs."""
        import pandas as pd

        tables = [pair.differing.assign(run=pair.second.name) for pair in self.pairs]
        return pd.concat(tables, ignore_index=True)

    @property
    def sentences(self) -> list[str]:
        """Whether each run differs from the first beyond the seeds, in words."""
        from study.report.run_comparison import sentence

        return [sentence(pair) for pair in self.pairs]

    def print(self, console: Console | None = None) -> None:
        """Print the tables and the sentences."""
        from study.report.run_comparison import print_comparisons

        print_comparisons(self.pairs, console or make_console())

    def write(self, folder: str | Path) -> list[Path]:
        """Write the tables into `folder` as CSV, Markdown and LaTeX. Return the CSV files.

        Raises: OSError if a file cannot be written.
        """
        from study.report.run_comparison import write_comparisons

        return write_comparisons(self.pairs, Path(folder))


def compare(*runs: Run | Place, by: str | None = None) -> Comparison:
    """Compare runs with the first of them, point by point.

    Args:
        runs: two or more, of one study or of several; a run, or where it lives.
        by: a column of `Run.trials`, such as `test_accuracy`; None: what the first run ranks by.

    Raises: ConfigError if runs share no point, or have not measured `by`, or one is named twice.
    """
    from study.analysis.compare_runs import Side, compare_runs

    opened = [run if isinstance(run, Run) else load(run) for run in runs]
    places = [run.place for run in opened]
    if repeated := next((place for place in places if places.count(place) > 1), None):
        raise ConfigError(f"{repeated} is named twice: a run does not differ from itself")
    names = [os.path.basename(place) for place in places]
    if len(set(names)) < len(names):
        names = places
    sides = [Side(name, run.results) for name, run in zip(names, opened, strict=True)]
    return Comparison(compare_runs(sides, by))
