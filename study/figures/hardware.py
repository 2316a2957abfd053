"""Hardware: total training time and speed by processor and number of workers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from study.analysis import statistics
from study.analysis.results import Results, select
from study.analysis.speedup import LAUNCHERS, narrowest, runs
from study.figures import style
from study.figures.workers import footer, marked, net, parts

_PANELS = {
    "train_seconds": "total training time T (s)",
    "steps_per_second": "speed v (iterations/s)",
}
_GREY = "#777777"


def draw(
    results: Results, title: str, *, published: Mapping[int, float] | None = None
) -> dict[str, Figure]:
    """Two panels, over the CPU and 1, 2, ... workers: total training time and iterations per
    second of the narrowest net with the study's own batch, a mark per launcher, the mean over
    repeats with its 95% interval, if there are several. `published` has a report's seconds by
    number of GPUs. A figure for each value of other settings that vary.

    The total time is that of all training steps, the warm-up counted in, as reports print it, and
    not of runs that diverged, which end early.
    There is no figure if no run has a result.
    """
    trained = narrowest(runs(results))
    if trained.empty:
        return {}
    return {
        suffix: _figure(results, titled, inside, published)
        for suffix, titled, inside in parts(results, trained, title)
    }


def _figure(
    results: Results, title: str, trained: pd.DataFrame, published: Mapping[int, float] | None
) -> Figure:
    places = sorted(
        {(p, n) for p, n in trained[["processor", "workers"]].itertuples(index=False)}
        | {("gpu", n) for n in published or {}}
    )
    with style.styled():
        figure = Figure(figsize=(9.0, 3.6))
        cut = False
        for i, (quantity, called) in enumerate(_PANELS.items()):
            axes = figure.add_subplot(1, 2, i + 1)
            lowest = _panel(axes, trained, places, quantity)
            axes.set_ylabel(called)
            if published and quantity == "train_seconds":
                at = [places.index(("gpu", n)) for n in published]
                axes.plot(at, list(published.values()), "*", color=_GREY, ms=9)
                # A report's machine and ours may be orders of magnitude apart.
                axes.set_yscale("log")
                cut = lowest <= 0
                axes.autoscale(axis="y")
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
                axes.yaxis.set_minor_locator(NullLocator())
                axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        shown = [name for name in LAUNCHERS if name in set(trained["launcher"])]
        shades, shapes = style.colours(LAUNCHERS), style.markers(LAUNCHERS)
        legend = [
            Line2D([], [], color=shades[n], marker=shapes[n], ls="", ms=6, label=n) for n in shown
        ]
        if published:
            legend.append(Line2D([], [], color=_GREY, marker="*", ls="", ms=9, label="published"))
        meaning = net(trained) + (
            "T leaves out start-up and evaluation, the warm-up is in; v is that of the mean step "
            "behind the warm-up."
        )
        if published:
            meaning += " Published is the report's own training, which is that of the budget paper."
        if trained["seed"].nunique() > 1:
            meaning += " Bars are 95% intervals over repeats."
        if (trained["status"] == "diverged").any():
            meaning += " Runs that diverged, which end early, are not in T."
        if cut:
            meaning += " One that ends at the foot of a logarithmic axis goes on below 0."
        style.surround(figure, title, [legend], footer(results, trained, meaning))
    return figure


def _panel(
    axes: Axes, trained: pd.DataFrame, places: list[tuple[str, int]], quantity: str
) -> float:
    """The lower end of the lowest interval, or mark."""
    shades, shapes = style.colours(LAUNCHERS), style.markers(LAUNCHERS)
    lowest = math.inf
    for i, launcher in enumerate(LAUNCHERS):
        for place, (processor, workers) in enumerate(places):
            where = {"launcher": launcher, "processor": processor, "workers": workers}
            inside = select(trained, where)
            if quantity == "train_seconds":
                inside = inside[inside["status"] != "diverged"]
            if inside.empty:
                continue
            over = statistics.mean(inside[quantity])
            single = math.isnan(over.half_width)
            lowest = min(lowest, over.mean if single else over.mean - over.half_width)
            axes.errorbar(
                [place + 0.12 * (i - 1)],
                [over.mean],
                yerr=None if single else [over.half_width],
                fmt=shapes[launcher],
                color=shades[launcher],
                markersize=6,
                elinewidth=1,
                capsize=2,
            )
    axes.set_xticks(range(len(places)), [marked(trained, *place) for place in places])
    axes.set_xlim(-0.5, len(places) - 0.5)
    # The whole interval is shown, of few repeats even where it goes on below 0.
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom if lowest < 0 else 0, top)
    return lowest
