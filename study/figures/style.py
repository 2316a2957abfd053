"""The style that all figures share: fonts, colors, panels, legends, footers and files."""

from __future__ import annotations

import contextlib
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from study.analysis.wording import format_setting, label, pluralize

# Okabe & Ito, Color Universal Design (2008), which readers with any color vision can tell
# apart. Yellow is missing because it is too pale for a line, black because it reads as an axis.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PALETTE_SIZE = len(_PALETTE)
"""How many values get colors that every reader can tell apart."""

GREY = "#444444"
"""The color of curves and legend entries that stand for no value of a setting."""
BAND_ALPHA = 0.13
"""Opacity of a band, low enough to show the lines and bands behind it."""

_MARKERS = "osD^vPX<>ph*"

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so it is the same everywhere
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
    "svg.hashsalt": "lenet-study",  # the ids in an SVG are random without it
    "pdf.fonttype": 42,  # TrueType, which journals accept and editors can edit
}
_ENDINGS: Any = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""The files of a figure, with the metadata that would differ between two writes."""
FORMATS = "PNG, SVG and PDF"

_has_footers = ContextVar("_has_footers", default=True)

_MARGIN = 0.1
"""Space around the figure, in inches."""
_LINE = 0.2
"""Height of a line of text, in inches."""


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Make matplotlib use this style and its own defaults. Create figures inside this context.

    A user's `matplotlibrc` has no effect, even if matplotlib has read it before. The backend stays
    as it is, because a figure without pyplot draws with the canvas of the file's format.
    """
    defaults = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith("backend")  # the only one that leaving the context does not restore
    }
    with matplotlib.rc_context(defaults | _STYLE):
        yield


@contextlib.contextmanager
def footers(*, shown: bool) -> Iterator[None]:
    """Draw the figures inside this context with or without their footers."""
    token = _has_footers.set(shown)
    try:
        yield
    finally:
        _has_footers.reset(token)


def colors(values: Sequence[Any]) -> dict[Any, Any]:
    """Return a color for each value, by its position.

    Up to `PALETTE_SIZE` values use a palette made for all kinds of color vision. Beyond that,
    numbers use steps of viridis, whose lightness follows their order, and names use tab20.
    """
    if len(values) <= PALETTE_SIZE:
        return dict(zip(values, _PALETTE, strict=False))
    if all(isinstance(value, str) for value in values):
        tab20 = matplotlib.colormaps["tab20"].colors  # type: ignore[attr-defined]
        strong_first = [*tab20[0::2], *tab20[1::2]]
        return {value: strong_first[i % len(tab20)] for i, value in enumerate(values)}
    viridis = matplotlib.colormaps["viridis"]
    # Stop short of the bright end, which is too pale on white.
    return {value: viridis(0.9 * i / (len(values) - 1)) for i, value in enumerate(values)}


def markers(values: Sequence[Any]) -> dict[Any, str]:
    """Return a marker for each value, by its position."""
    return {value: _MARKERS[i % len(_MARKERS)] for i, value in enumerate(values)}


def setting_value(setting: str, value: Any) -> str:
    """Return a setting and its value in words: `learning rate 0.1`."""
    return f"{label(setting)} {format_setting(setting, value)}"


def scale(quantity: str) -> float:
    """Return the factor that a quantity is drawn with: 100 for accuracies, else 1."""
    return 100.0 if quantity.endswith("accuracy") else 1.0


def axis_label(quantity: str) -> str:
    """Return the axis label of a quantity, with (%) for accuracies."""
    return label(quantity) + (" (%)" if scale(quantity) == 100 else "")


def panels(count: int, *, share_x: bool = True, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` panels, two to a row for two or four, else up to three.

    The panels share the horizontal axis if `share_x`, and the vertical one if `share_y`. Ticks of
    a shared axis are labeled at the outer panels only. An incomplete last row has no empty panels.
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
                grid[divmod(i, columns)],
                sharex=first if share_x else None,
                sharey=first if share_y else None,
            )
        )
        axes[i].tick_params(
            labelbottom=not share_x or i + columns >= count,
            labelleft=not share_y or i % columns == 0,
        )
    return figure, axes


def label_outer(axes: Sequence[Axes], *, x: str | None = None, y: str | None = None) -> None:
    """Label the axes of those panels that label their ticks."""
    for ax in axes:
        if x is not None and ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel(x)
        if y is not None and ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel(y)


def plain_log_ticks(axis: Axis, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Put ticks at `subs` times the powers of ten of a logarithmic axis, as plain numbers."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def entry(
    text: str, *, color: Any = GREY, line: Any = "", marker: str = "", size: float = 6, **more: Any
) -> Line2D:
    """Return a legend entry: a line of this style, a marker, or both."""
    return Line2D([], [], ls=line, marker=marker, ms=size, color=color, label=text, **more)


def color_entry(text: str, color: Any = GREY, alpha: float | None = None) -> Patch:
    """Return a legend entry for an area of this color."""
    return Patch(color=color, alpha=alpha, lw=0, label=text)


def band_entry(text: str) -> Patch:
    """Return a legend entry for the bands of all colors."""
    return color_entry(text, alpha=0.2)


def outline_entry(text: str) -> Patch:
    """Return a legend entry for the outlined bands of all colors."""
    return Patch(fc="none", ec=GREY, ls=":", lw=0.9, label=text)


def add_band(ax: Axes, at: Any, low: Any, high: Any, color: Any, *, outlined: bool = False) -> None:
    """Draw a band, filled, or outlined where filled bands of the same color lie below it."""
    if outlined:
        # The outline of `fill_between` would close the band by a vertical line at either end.
        edges = [np.column_stack([at, edge]) for edge in (low, high)]
        # Below the lines, as filled bands are.
        outline = LineCollection(edges, colors=[color], ls=":", lw=0.9, alpha=0.8, zorder=1)
        ax.add_collection(outline)
        ax.autoscale_view()
    else:
        ax.fill_between(at, low, high, fc=color, lw=0, alpha=BAND_ALPHA)


def separate(axes: Axes, lines: Sequence[Line2D]) -> bool:
    """Shift apart lines that hide each other, by about their width; return True if any did.

    Lines hide each other if they have the same points up to a 200th of the axis. Call it once the
    axes have their range.
    """
    transform = axes.transData
    stacks: list[list[tuple[Line2D, Any]]] = []
    for line in lines:
        points = axes.transAxes.inverted().transform(transform.transform(line.get_xydata()))
        for stack in stacks:
            first = stack[0][1]
            if first.shape == points.shape and abs(first - points).max() < 1 / 200:
                stack.append((line, points))
                break
        else:
            stacks.append([(line, points)])
    for stack in stacks:
        for place, (line, _) in enumerate(stack):
            shift = 1.5 * line.get_linewidth() * (place - (len(stack) - 1) / 2) / 72
            if shift:
                to_inches = axes.figure.dpi_scale_trans
                line.set_transform(transform + ScaledTranslation(0, shift, to_inches))
    return any(len(stack) > 1 for stack in stacks)


SEPARATED = "Lines that would hide each other are drawn side by side."
"""The footer's sentence where `separate` returned True."""


def add_color_bar(
    figure: Figure, axes: Sequence[Axes], colors: dict[Any, Any], setting: str
) -> None:
    """Add a bar with the colors of the values of a setting, in their order and labeled."""
    steps = ListedColormap(list(colors.values()))
    shown = ScalarMappable(BoundaryNorm([i - 0.5 for i in range(len(colors) + 1)], steps.N), steps)
    every = math.ceil(len(colors) / 16)
    places = range(0, len(colors), every)
    names = [format_setting(setting, value) for value in colors]
    bar = figure.colorbar(
        shown, ax=list(axes), ticks=places, label=label(setting), aspect=30, pad=0.02
    )
    bar.ax.set_yticklabels([names[place] for place in places])
    bar.ax.grid(visible=False)
    bar.minorticks_off()


def spread(count: int) -> list[float]:
    """Return offsets in [-0.5, 0.5] that keep `count` points at one place apart, always the same.

    They are multiples of the golden ratio, so any few in a row are far from each other.
    """
    return [(0.5 + place * (math.sqrt(5) - 1) / 2) % 1 - 0.5 for place in range(count)]


def omission(planned: pd.DataFrame, shown: pd.DataFrame, reasons: str) -> list[str]:
    """Return the footer line on trials that a figure leaves out, or none if there are none.

    planned, shown: rows of `trials`. `reasons` is why a trial that has begun may be left out.
    """
    omitted = planned[~planned["trial"].isin(shown["trial"])]
    if omitted.empty:
        return []
    has_begun = omitted["status"] != "unfinished"
    if "started" in omitted and not (has_begun | omitted["started"].notna()).any():
        reasons = "not trained yet"
    return [f"Not shown: {len(omitted)} of {pluralize(len(planned), 'trial')} ({reasons})."]


def finish(
    figure: Figure, title: str, legend: Sequence[Sequence[Artist]], footer: Sequence[str]
) -> None:
    """Add the title above the panels, and the legend and the footer's lines below them.

    Each group of the legend starts a column. The figure grows by the height of the additions, so
    the panels keep their size and nothing overlaps. See `footers` for figures without a footer.
    """
    if not _has_footers.get():
        footer = ()
    legend = [group for group in legend if group]
    width, panel_height = figure.get_size_inches()
    title = textwrap.fill(title, round(width * 10.5))
    notes = [part for line in footer for part in textwrap.wrap(line, round(width * 14.5))]
    entries, rows = _arrange(legend, width)
    title_height = _MARGIN + _LINE * (title.count("\n") + 1)
    below = 2.5 * _MARGIN + 0.95 * _LINE * rows + 0.8 * _LINE * len(notes)
    height = title_height + panel_height + below
    figure.set_size_inches(width, height)
    # Restrict the layout engine to the panels' share of the page.
    panel_area = (0, below / height, 1, panel_height / height)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=panel_area))
    figure.text(0.5, 1 - _MARGIN / height, title, ha="center", va="top", size=12)
    if entries:
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


def _arrange(groups: Sequence[Sequence[Artist]], width: float) -> tuple[list[Artist], int]:
    """Return the legend's entries and its number of rows, the fewest that fit `width` inches.

    Blank entries fill each group up to whole columns.
    """
    if not groups:
        return [], 0
    longest = max(len(str(entry.get_label())) for group in groups for entry in group)
    columns = max(len(groups), int(width / (0.07 * longest + 0.6)))
    rows = 1
    while sum(math.ceil(len(group) / rows) for group in groups) > columns:
        rows += 1
    entries: list[Artist] = []
    for group in groups:
        blanks = -len(group) % rows
        entries += [*group, *(entry(" ") for _ in range(blanks))]
    return entries, rows


def by_combination(
    trials: pd.DataFrame, settings: Sequence[str]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield a file suffix, a title suffix and the trials for each combination of `settings`.

    A figure never averages over settings that vary besides its own: each combination has a figure.
    """
    if not settings:
        yield "", "", trials
        return
    for key, inside in trials.groupby(list(settings), dropna=False):
        values = list(zip(settings, key, strict=True))
        yield (
            file_suffix([f"{name}{format_setting(name, value)}" for name, value in values]),
            "".join(f", {setting_value(name, value)}" for name, value in values),
            inside,
        )


def file_suffix(words: Sequence[str]) -> str:
    """Return what follows a figure's name in its file names, safe on every file system."""
    return "".join(f"-{word}" for word in words).translate(
        {ord(","): "", ord(" "): "-", ord(":"): "-", ord("/"): "-"}
    )


def save(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as `path`.png (150 dpi), .svg and .pdf and return the three paths.

    The same figure gives the same bytes each time.
    """
    written = []
    _freeze_layout(figure)
    for ending, metadata in _ENDINGS.items():
        file = path.with_name(path.name + ending)
        with styled():
            figure.savefig(file, metadata=metadata)
        written.append(file)
    return written


def _freeze_layout(figure: Figure) -> None:
    """Lay out the panels once and round their positions.

    The solver's last digits differ between calls, and matplotlib derives the ids of SVG elements
    from these digits.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        return
    with styled():
        engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))
