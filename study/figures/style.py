"""What all figures share: fonts, colours, the legend and footer around the panels, files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Okabe & Ito, Color Universal Design (2008), told apart with any colour vision; without
# their yellow and black, of which one is too pale for a line and one reads as an axis.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DISTINCT = len(_PALETTE)
"""How many values have colours that anybody can tell apart."""

_MARKERS = "osD^vPX<>ph*"

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "figure.titlesize": 12,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "savefig.dpi": 150,
    "svg.hashsalt": "lenet-study",  # else the ids in an SVG are random
}

_MARGIN = 0.1
_LINE = 0.2
"""Inches: around the figure, and from one line of small text to the next."""


def styled() -> AbstractContextManager[None]:
    """The style, for as long as the context is open; figures are made inside it."""
    return matplotlib.rc_context(_STYLE)


def colours(values: Sequence[Any]) -> dict[Any, Any]:
    """A colour for each value, by its place in the order.

    Few values take a palette for all kinds of colour vision. Many numbers take steps of
    viridis, whose lightness rises along them, so that neighbours can still be ranked; many
    names, which have no order, the colours of tab20.
    """
    if len(values) <= len(_PALETTE):
        return dict(zip(values, _PALETTE, strict=False))
    if all(isinstance(value, str) for value in values):
        names = matplotlib.colormaps["tab20"].colors  # type: ignore[attr-defined]
        # Its even places are the strong ones.
        strong_first = [*names[0::2], *names[1::2]]
        return {value: strong_first[i % len(names)] for i, value in enumerate(values)}
    scale = matplotlib.colormaps["viridis"]
    # Its bright end is too pale on white.
    return {value: scale(0.9 * i / (len(values) - 1)) for i, value in enumerate(values)}


def markers(values: Sequence[Any]) -> dict[Any, str]:
    """A marker for each value, by its place in the order."""
    return {value: _MARKERS[i % len(_MARKERS)] for i, value in enumerate(values)}


def panels(count: int, *, share_x: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels that share both axes, or the vertical one alone, two to a row up
    to four, else three.

    A last row that is not full has no empty panels.
    """
    columns = min(count, 2 if count in {2, 4} else 3)
    rows = math.ceil(count / columns)
    width = {1: 6.4, 2: 9.0, 3: 11.0}[columns]
    figure = Figure(figsize=(width, {1: 3.6, 2: 5.8}.get(rows, 2.6 * rows)))
    grid = figure.add_gridspec(rows, columns)
    axes: list[Axes] = []
    for i in range(count):
        first = axes[0] if axes else None
        axes.append(
            figure.add_subplot(
                grid[divmod(i, columns)], sharex=first if share_x else None, sharey=first
            )
        )
        # Ticks are labelled where no other panel follows below or comes before.
        axes[i].tick_params(
            labelbottom=not share_x or i + columns >= count, labelleft=i % columns == 0
        )
    return figure, axes


def surround(
    figure: Figure, title: str, legend: Sequence[Sequence[Artist]], footer: Sequence[str]
) -> None:
    """Put the title above the panels, and below them the legend and the footer's lines.

    Each group of the legend begins a column. The figure grows by the room that all this
    takes, so that the panels keep theirs and the legend can cover none of them.
    """
    width, panel_height = figure.get_size_inches()
    title = textwrap.fill(title, round(width * 10.5))
    notes = [part for line in footer for part in textwrap.wrap(line, round(width * 14.5))]
    entries, rows = _arranged(legend, width)
    title_height = _MARGIN + _LINE * (title.count("\n") + 1)
    below = 2.5 * _MARGIN + 0.95 * _LINE * rows + 0.8 * _LINE * len(notes)
    height = title_height + panel_height + below
    figure.set_size_inches(width, height)
    # The layout engine has the panels' part of the page only.
    part = (0, below / height, 1, panel_height / height)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=part))
    figure.text(0.5, 1 - _MARGIN / height, title, ha="center", va="top", size=12)
    figure.legend(
        handles=entries,
        loc="upper center",
        bbox_to_anchor=(0.5, (below - _MARGIN / 2) / height),
        ncols=len(entries) // rows,
        borderaxespad=0,
        borderpad=0,
        handlelength=2.6,
    )
    figure.text(
        _MARGIN / width,
        _MARGIN / height,
        "\n".join(notes),
        va="bottom",
        size=8,
        color="#555555",
    )


def _arranged(groups: Sequence[Sequence[Artist]], width: float) -> tuple[list[Artist], int]:
    """The entries of a legend, each group filled up to whole columns with blanks, and the
    number of rows: as few as fit the width in inches."""
    longest = max(len(str(entry.get_label())) for group in groups for entry in group)
    columns = max(len(groups), int(width / (0.07 * longest + 0.6)))
    rows = 1
    while sum(math.ceil(len(group) / rows) for group in groups) > columns:
        rows += 1
    entries: list[Artist] = []
    for group in groups:
        blanks = -len(group) % rows
        entries += [*group, *(Line2D([], [], linestyle="", label=" ") for _ in range(blanks))]
    return entries, rows


def few_decades(axes: Axes) -> None:
    """Label a logarithmic horizontal axis where it spans so little that powers of ten are few, and
    never between: what matplotlib writes there covers itself."""
    low, high = axes.get_xlim()
    axes.xaxis.set_minor_formatter(NullFormatter())
    if high / low < 100:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def suffix(parts: Sequence[str]) -> str:
    """What follows a figure's name in those of its files, which no system may stumble over."""
    words = "".join(f"-{part}" for part in parts)
    return words.replace(",", "").replace(" ", "-").replace(":", "-")


def save(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as `path`.png (150 dpi) and `path`.svg, the same bytes each time."""
    written = []
    _settle(figure)
    for ending, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        file = path.with_name(path.name + ending)
        with styled():
            figure.savefig(file, metadata=metadata)
        written.append(file)
    return written


def _settle(figure: Figure) -> None:
    """Lay the panels out, once for all files, in places that are the same each time: the
    solver's last digits are not, and the ids in an SVG are made from them."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    with styled():
        engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))
