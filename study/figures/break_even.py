"""Break-even: for which width and batch several workers are faster than one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from study.analysis.results import Results
from study.analysis.scaling import compared, fit, points, runs, split
from study.figures import style
from study.figures.workers import footer


def draw(results: Results, title: str, *, workers: Sequence[int] = (2, 4, 8)) -> dict[str, Figure]:
    """Over the net's width, the batch from which on each number of `workers` is faster than one,
    by the model, dashed where that number was not run with a processor each and the line is a
    prediction; and the measured points of strong scaling, filled where they were faster.

    None if there are too few points to fit the model, or a single width.
    """
    measured = points(results)
    model = fit(split(measured)[0])
    sizes = {p.width: p.gradient_bytes for p in measured}
    if model is None or len(sizes) < 2:
        return {}
    ran = {p.workers for p in measured}
    strong = compared(results, weak=False)
    strong = strong[strong["workers"] > 1]
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        shown = sorted({*workers, *strong["workers"]})
        colours, shapes = style.colours(shown), style.markers(shown)
        legend: list[Artist] = []
        for n in shown:
            line = "-" if n in ran else "--"
            batches = [model.break_even_batch(n, w, sizes[w]) for w in sorted(sizes)]
            drawn = [b if b > 0 and math.isfinite(b) else math.nan for b in batches]
            axes.plot(sorted(sizes), drawn, line, color=colours[n])
            kind = "model" if n in ran else "prediction"
            legend.append(Line2D([], [], ls=line, color=colours[n], label=f"{n} workers, {kind}"))
        for i, (n, inside) in enumerate(strong.groupby("workers")):
            means = inside.groupby(["width", "batch_size"], as_index=False)["speed_up"].mean()
            for width, batch, speed_up in means.itertuples(index=False):
                faster = speed_up > 1
                axes.plot(
                    # Side by side, where several numbers were run.
                    [width * 1.06 ** (i - (strong["workers"].nunique() - 1) / 2)],
                    [batch],
                    shapes[n],
                    ms=8,
                    mec=colours[n],
                    mfc=colours[n] if faster else "white",
                )
        for n in sorted(strong["workers"].unique()):
            over = strong.loc[strong["workers"] == n, "oversubscribed"].any()
            star = "*" if over else ""
            for faster, said in ((True, "faster"), (False, "not faster")):
                legend.append(
                    Line2D(
                        [],
                        [],
                        ls="",
                        marker=shapes[n],
                        ms=7,
                        mec=colours[n],
                        mfc=colours[n] if faster else "white",
                        label=f"{n}{star} measured: {said}",
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
            "Above a line that many workers are faster than one. Lines are for workers with a "
            "processor each."
        )
        style.surround(figure, title, [legend], footer(results, runs(results), meaning))
    return {"": figure}
