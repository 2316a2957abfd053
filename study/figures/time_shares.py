"""Time shares: where the time of a training step goes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lenet.records import PHASES
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import runs
from study.figures import style
from study.figures.workers import footer, marked, parts


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A panel per width, a bar per number of workers and batch of Ray's runs, with the share of
    each phase in the time of all steps behind the warm-up, all workers together: the mean over
    repeats, with the 95% interval of each boundary between phases if there are several. A figure
    for each value of other settings that vary."""
    trained = runs(results)
    if trained.empty:
        return {}
    trained = trained[trained["launcher"] == "ray"]
    if trained.empty:
        return {}
    return {
        suffix: _figure(results, titled, inside)
        for suffix, titled, inside in parts(results, trained, title)
    }


def _figure(results: Results, title: str, trained: pd.DataFrame) -> Figure:
    widths = sorted(trained["width"].unique())
    with style.styled():
        figure, axes = style.panels(len(widths))
        colours = style.colours(PHASES)
        keys = ["processor", "workers", "batch"]
        places = sorted(trained[keys].drop_duplicates().itertuples(index=False, name=None))
        for ax, width in zip(axes, widths, strict=True):
            ax.set_title(f"width {width}")
            inside = trained[trained["width"] == width]
            # A value by repeat: two batches cut to the training samples are the same.
            each = inside.groupby([*keys, "seed"])[[f"{phase}_share" for phase in PHASES]].mean()
            for key, of_repeats in each.groupby(keys):
                _bar(ax, places.index(key), 100 * of_repeats.cumsum(axis=1), colours)
            # Many stand upright, else they would cover each other.
            inches = ax.get_position().width * figure.get_size_inches()[0]
            upright = 0.6 * len(places) > inches
            between = ", batch " if upright else "\nbatch "
            names = [f"{marked(trained, p, n)}{between}{batch}" for p, n, batch in places]
            ax.set_xticks(range(len(places)), names, size=8, rotation=90 if upright else 0)
            ax.set_ylim(0, 100)
            if ax.yaxis.get_tick_params()["labelleft"]:
                ax.set_ylabel("share of time (%)")
        legend = [Patch(color=colours[phase], lw=0, label=phase) for phase in PHASES]
        meaning = (
            "Measured in each worker. Communication is one all-reduce of all gradients after the "
            "backward pass, and with it the wait for the slowest worker; start-up, warm-up and "
            "evaluation are left out."
        )
        if trained["seed"].nunique() > 1:
            meaning += (
                " Bars are means over repeats, whiskers 95% intervals of where one phase ends and "
                "the next begins."
            )
        style.surround(figure, title, [legend], footer(results, trained, meaning))
    return figure


def _bar(ax: Axes, at: float, ends: pd.DataFrame, colours: Mapping[str, Any]) -> None:
    """`ends` has a row per repeat, and by phase where it ends in percent."""
    below = 0.0
    for i, phase in enumerate(PHASES):
        over = statistics.mean(ends[f"{phase}_share"])
        ax.bar(at, over.mean - below, bottom=below, color=colours[phase], width=0.7)
        below = over.mean
        # One worker has nothing behind its computation.
        if below > 100 - 1e-9 or math.isnan(over.half_width):
            continue
        # A share is none beyond 0 and 100 %.
        down, up = min(over.half_width, over.mean), min(over.half_width, 100 - over.mean)
        ax.errorbar(
            # Side by side: two ends may lie close to each other.
            at - 0.1 + 0.2 * i,
            over.mean,
            yerr=[[down], [up]],
            fmt="none",
            ecolor="#222222",
            elinewidth=1,
            capsize=2,
        )
