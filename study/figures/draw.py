"""Draw all figures of a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search_spaces.study import Study
from study.analysis.results import Results
from study.figures import FigureError, style
from study.kinds import Kinds

KINDS = Kinds(
    "study.figures",
    "draw",
    "figure",
    frozenset({"draw", "style", "search_trials", "workers"}),
    FigureError,
)


def draw_all(
    asked: Study, results: Results, out_dir: Path, say: Callable[[str], object] = print
) -> list[Path]:
    """Draw the study's figures into `out_dir`, each as PNG and SVG, and return the files.

    A figure that the run lacks the trials for is not drawn, which is told to `say`.
    Raises `FigureError` on a kind that does not exist or options that it does not take,
    `ConfigError` on a setting that does not exist.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for figure in asked.figures:
        drawn = KINDS.call(figure, results, figure.title)
        if not drawn:
            say(f"{figure.name} is not drawn: this run lacks what it shows")
        for suffix, picture in drawn.items():
            files += style.save(picture, out_dir / (figure.name + suffix))
    return files
