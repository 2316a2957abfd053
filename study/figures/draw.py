"""Draw all figures of a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search_spaces.study import Study
from study.analysis.results import Results
from study.figures import style
from study.kinds import Kinds

KINDS = Kinds(
    "study.figures",
    "draw",
    "figure",
    frozenset({"draw", "style", "search_trials", "workers"}),
)


def draw_all(
    study: Study, results: Results, out_dir: Path, note: Callable[[str], object] = print
) -> list[Path]:
    """Draw the study's figures into `out_dir`, each as PNG and SVG, and return the files.

    Skips a figure that the run has no data for, and calls `note` with a message that says so.

    Raises: ConfigError if a kind does not exist or does not take the options of its figure.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for declared in study.figures:
        figures = KINDS.call(declared, results, declared.title)
        if not figures:
            note(f"Skipped figure {declared.name}: this run does not have the data it needs.")
        for suffix, figure in figures.items():
            files += style.save(figure, out_dir / (declared.name + suffix))
    return files
