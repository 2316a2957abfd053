"""Break-even: for which width and batch several workers are faster than one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import (
    FASTER,
    NOT_FASTER,
    UNDECIDED,
    break_even,
    compared,
    judged,
    modelled,
    runs,
    smallest_batch,
)
from study.figures import style
from study.figures.workers import footer

_FILLED: dict[str, Any] = {FASTER: "full", UNDECIDED: "left", NOT_FASTER: "none"}


def draw(results: Results, title: str, *, workers: Sequence[int] = (2, 4, 8)) -> dict[str, Figure]:
    """Over the net's width, the batch from which on each number of `workers` is faster than one,
    by the model, dashed where it is a prediction, since that number was not run with a processor
    each or the line goes below the smallest batch that was run, the mean over the fits to each
    repeat with its 95% interval; and the measured points
    of strong scaling, filled where they were faster and empty where they were not. There is
    no line where the points do not settle it.

    No figure if there are too few points to fit the model, a single width, or other settings that
    vary.
    """
    model = modelled(results)
    if model is None:
        return {}
    measured, _, fitted = model
    sizes = {p.width: p.gradient_bytes for p in measured[0]}
    if len(sizes) < 2:
        return {}
    ran, smallest = {p.workers for p in measured[0]}, smallest_batch(measured[0])
    strong = compared(results, weak=False)
    verdicts = judged(strong)
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        shown = sorted({*workers, *verdicts["workers"]})
        colours, shapes = style.colours(shown), style.markers(shown)
        legend: list[Artist] = []
        left_out: list[str] = []
        bands: dict[int, tuple[list[int], list[statistics.Mean]]] = {}
        for n in shown:
            told = [w for w in sorted(sizes) if fitted.tells_break_even(n, w, sizes[w])]
            batches = [_mean(break_even(fitted, n, w, sizes[w])) for w in told]
            if all(math.isnan(b.mean) for b in batches):
                left_out.append(str(n))
                if n in set(verdicts["workers"]):
                    mark = Line2D([], [], ls="", marker=shapes[n], color=colours[n], ms=7)
                    mark.set_label(f"{n} workers, no line")
                    legend.append(mark)
                continue
            predicted = n not in ran or any(b.mean < smallest for b in batches)
            line, kind = ("--", "prediction") if predicted else ("-", "model")
            axes.plot(told, [b.mean for b in batches], line, color=colours[n])
            bands[n] = told, batches
            legend.append(Line2D([], [], ls=line, color=colours[n], label=f"{n} workers, {kind}"))
        numbers = sorted(verdicts["workers"].unique())
        for row in verdicts.to_dict("records"):
            n = int(row["workers"])
            axes.plot(
                # Side by side, where several numbers were run.
                [row["width"] * 1.06 ** (numbers.index(n) - (len(numbers) - 1) / 2)],
                [row["batch"]],
                shapes[n],
                ms=8,
                color=colours[n],
                mfcalt="white",
                fillstyle=_FILLED[row["verdict"]],
            )
        for verdict in (v for v in _FILLED if v in set(verdicts["verdict"])):
            legend.append(
                Line2D(
                    [],
                    [],
                    ls="",
                    marker="o",
                    ms=7,
                    color="#444444",
                    mfcalt="white",
                    fillstyle=_FILLED[verdict],
                    label=f"measured: {verdict}",
                )
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        if bands and len(fitted.models) > 1:
            low = [b.mean - b.half_width for _, batches in bands.values() for b in batches]
            bottom = min([axes.get_ylim()[0], *(0.9 * edge for edge in low if edge > 0)])
            for n, (told, batches) in bands.items():
                _band(axes, told, batches, colours[n], bottom)
            axes.set_ylim(bottom=bottom)
            legend.append(Patch(color="#444444", alpha=0.2, lw=0, label="95% interval of a line"))
        axes.xaxis.set_major_locator(FixedLocator(sorted(sizes)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.set_xlabel("width of the net (times as many channels and hidden units)")
        axes.set_ylabel("batch over all workers (samples)")
        meaning = (
            "For batches above a line, that number of workers is faster than one, by the model, if "
            "each has a processor of its own; numbers that were not run are taken to slow each "
            "other down no more than those that were. Marks are measured: a verdict by the "
            "interval over repeats (95% for all marks together)."
        )
        if left_out:
            meaning += (
                f" No line for {' and '.join(left_out)} workers: the model has no such batch, or "
                "cannot tell it."
            )
        crowded = sorted(verdicts.loc[verdicts["oversubscribed"], "workers"].unique())
        if crowded:
            meaning += f" Those of {' and '.join(map(str, crowded))} workers are oversubscribed.*"
        style.surround(figure, title, [legend], footer(results, runs(results), meaning))
    return {"": figure}


def _mean(batches: Sequence[float]) -> statistics.Mean:
    """Over repeats; missing where one has no batch that pays, or where any does, since a
    logarithmic axis has no place for it."""
    return statistics.mean(b if b > 0 and math.isfinite(b) else math.nan for b in batches)


def _band(
    axes: Axes,
    widths: Sequence[int],
    batches: Sequence[statistics.Mean],
    colour: Any,
    bottom: float,
) -> None:
    """The interval of a line. What of it lies below 0 ends at `bottom`, the axis' lower end."""
    low = [b.mean - b.half_width for b in batches]
    high = [b.mean + b.half_width for b in batches]
    axes.fill_between(
        widths,
        [edge if edge > 0 or math.isnan(edge) else bottom for edge in low],
        high,
        color=colour,
        alpha=0.13,
        lw=0,
    )
