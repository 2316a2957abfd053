"""Loss by step of the same training on different numbers of workers."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import ray_trials, scaling_trials, smallest_workload
from study.figures import style, workers

_DASHES = ("-", "--", ":", "-.")
_PARTS = {"train": "training", "validation": "validation"}


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw training and validation loss by step, a line per number of workers.

    Lines are means over repeats with their range, of strong scaling with the narrowest net in
    trials that Ray launched. Equal training puts them on top of each other.

    Returns: the figures by file suffix: one for each combination of the other settings that vary;
        none if no trial has a result.
    """
    trials = ray_trials(smallest_workload(scaling_trials(results)))
    if trials.empty:
        return {}
    return {
        suffix: _figure(results, heading, inside)
        for suffix, heading, inside in workers.by_combination(results, trials, title)
    }


def _figure(results: Results, title: str, trials: pd.DataFrame) -> Figure:
    groups = [
        ((str(processor), int(str(count))), inside)
        for (processor, count), inside in trials.groupby(["processor", "workers"])
    ]
    dashes = {key: _DASHES[i % len(_DASHES)] for i, (key, _) in enumerate(groups)}
    colors = style.colors(list(dashes))
    with style.styled():
        figure, axes = style.panels(2)
        drawn: list[tuple[Axes, list[Line2D]]] = []
        for ax, (part, name) in zip(axes, _PARTS.items(), strict=True):
            ax.set_title(name)
            lines: list[Line2D] = []
            for key, inside in groups:
                records = results.records[results.records["trial"].isin(inside["trial"])]
                values = records.pivot(index="step", columns="trial", values=f"{part}_loss")
                band = statistics.bands(values)
                lines += ax.plot(
                    band.index,
                    band["mean"],
                    dashes[key],
                    color=colors[key],
                    marker="o",
                    ms=3,
                )
                ax.fill_between(
                    band.index,
                    band["low"],
                    band["high"],
                    color=colors[key],
                    alpha=style.BAND_ALPHA,
                    lw=0,
                )
            drawn.append((ax, lines))
        # After both panels, because they share their axes.
        hidden = [style.separate(ax, lines) for ax, lines in drawn]
        style.label_outer(axes, x="step", y="loss (nats per sample)")
        legend: list[Artist] = [
            style.entry(workers.workers_label(trials, *key), color=colors[key], line=dashes[key])
            for key in dashes
        ]
        if trials["seed"].nunique() > 1:
            legend.append(style.band_entry("range over repeats"))
        notes = (
            f"{workers.workload(trials)} All numbers of workers train on the same batches in the "
            "same order; gradients are weighted by each worker's samples. Differences come from "
            f"the floating-point summation order.{f' {style.SEPARATED}' if any(hidden) else ''}"
        )
        style.finish(figure, title, [legend], workers.footer(results, trials, notes))
    return figure
