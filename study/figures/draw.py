"""Draw all figures of a study."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import study.figures
from lenet.config import nearest
from search_spaces.study import Study
from study.analysis.results import Results
from study.figures import FigureError, style

_NO_KINDS = {"draw", "style"}


def draw_all(
    asked: Study, results: Results, out_dir: Path, say: Callable[[str], object] = print
) -> list[Path]:
    """Draw the study's figures into `out_dir`, each as PNG and SVG, and return the files.

    A figure that no trial of this run belongs to is not drawn, which is told to `say`.
    Raises `FigureError` on a kind that does not exist or options that it does not take,
    `ConfigError` on a setting that does not exist.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for figure in asked.figures:
        draw = kind(figure.kind)
        try:
            inspect.signature(draw).bind(results, figure.title, **figure.options)
        except TypeError as error:
            raise FigureError(f"figure {figure.name}, of kind {figure.kind}: {error}") from None
        drawn = draw(results, figure.title, **figure.options)
        if not drawn:
            say(f"{figure.name} is not drawn: no trial of this run belongs to it")
        for suffix, picture in drawn.items():
            files += style.save(picture, out_dir / (figure.name + suffix))
    return files


def kind(name: str) -> Callable[..., dict[str, Any]]:
    """The drawing function of a kind of figure; raises `FigureError` naming the nearest."""
    known = {module.name for module in pkgutil.iter_modules(study.figures.__path__)} - _NO_KINDS
    if name not in known:
        raise FigureError(nearest(name, known, "kind of figure"))
    draw: Callable[..., dict[str, Any]] = importlib.import_module(f"study.figures.{name}").draw
    return draw
