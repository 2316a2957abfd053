"""Break-even: for which width and batch several workers are faster than one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from study.analysis.results import Results
from study.analysis.scaling import (
    FASTER,
    NOT_FASTER,
    UNDECIDED,
    compared,
    fit,
    judged,
    points,
    runs,
    split,
)
from study.figures import style
from study.figures.workers import footer

_FILLED: dict[str, Any] = {FASTER: "full", UNDECIDED: "left", NOT_FASTER: "none"}


def draw(results: Results, title: str, *, workers: Sequence[int] = (2, 4, 8)) -> dict[str, Figure]:
    """Over the net's width, the batch from which on each number of `workers` is faster than one,
    by the model, dashed where that number was not run with a processor each and the line is a
    prediction; and the measured points of strong scaling, filled where they were faster and empty
    where they were not.

    None if there are too few points to fit the model, or a single width.
    """
    measured = points(results)
    model = fit(split(measured)[0])
    sizes = {p.width: p.gradient_bytes for p in measured}
    if model is None or len(sizes) < 2:
        return {}
    ran = {p.workers for p in measured}
    strong = compared(results, weak=False)
    verdicts = judged(strong)
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        shown = sorted({*workers, *verdicts["workers"]})
        colours, shapes = style.colours(shown), style.markers(shown)
        legend: list[Artist] = []
        for n in shown:
            line = "-" if n in ran else "--"
            batches = [model.break_even_batch(n, w, sizes[w]) for w in sorted(sizes)]
            drawn = [b if b > 0 and math.isfinite(b) else math.nan for b in batches]
            axes.plot(sorted(sizes), drawn, line, color=colours[n])
            kind = "model" if n in ran else "prediction"
            legend.append(Line2D([], [], ls=line, color=colours[n], label=f"{n} workers, {kind}"))
        numbers = sorted(verdicts["workers"].unique())
        for row in verdicts.to_dict("records"):
            n = int(row["workers"])
            axes.plot(
                # Side by side, where several numbers were run.
                [row["width"] * 1.06 ** (numbers.index(n) - (len(numbers) - 1) / 2)],
                [row["batch_size"]],
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
        axes.xaxis.set_major_locator(FixedLocator(sorted(sizes)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.set_xlabel("width of the net (times as many channels and hidden units)")
        axes.set_ylabel("batch over all workers (samples)")
        meaning = (
            "Above a line that many workers are faster than one, if each has a processor of its "
            "own. Marks are measured, a verdict by the 95% interval over repeats."
        )
        crowded = sorted(verdicts.loc[verdicts["oversubscribed"], "workers"].unique())
        if crowded:
            meaning += f" Those of {' and '.join(map(str, crowded))} workers are oversubscribed.*"
        style.surround(figure, title, [legend], footer(results, runs(results), meaning))
    return {"": figure}
