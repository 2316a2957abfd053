"""Shares of data, computation and communication in the time of a training step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lenet.records import PHASES
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import ray_trials, scaling_trials
from study.figures import style, workers

_BAR = ["processor", "workers", "batch"]
"""What each bar of a panel stands for."""


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a panel per width, a bar per number of workers and batch: each phase's share of time.

    Shares are of all steps of all workers after warm-up, in trials that Ray launched: means over
    repeats, with a 95% interval for each boundary between phases.

    Returns: the figures by file suffix: one for each combination of the other settings that vary;
        none if no trial has a result.
    """
    trials = ray_trials(scaling_trials(results))
    if trials.empty:
        return {}
    return {
        suffix: _figure(results, heading, inside)
        for suffix, heading, inside in workers.by_combination(results, trials, title)
    }


def _figure(results: Results, title: str, trials: pd.DataFrame) -> Figure:
    widths = sorted(trials["width"].unique())
    with style.styled():
        figure, axes = style.panels(len(widths))
        colors = style.colors(PHASES)
        places = sorted(trials[_BAR].drop_duplicates().itertuples(index=False, name=None))
        # Turn the labels where there are too many bars to set them side by side.
        upright = 0.6 * len(places) > axes[0].get_position().width * figure.get_size_inches()[0]
        between = ", batch " if upright else "\nbatch "
        labels = [
            f"{workers.workers_label(trials, processor, count)}{between}{batch}"
            for processor, count, batch in places
        ]
        for ax, width in zip(axes, widths, strict=True):
            ax.set_title(f"width {width}")
            inside = trials[trials["width"] == width]
            # Average within a repeat: two batch sizes cut to the training samples are one batch.
            shares = inside.groupby([*_BAR, "seed"])[[f"{phase}_share" for phase in PHASES]].mean()
            for key, repeats in shares.groupby(_BAR):
                _bar(ax, places.index(key), repeats.cumsum(axis=1), colors)
            ax.set_xticks(range(len(places)), labels, size=8, rotation=90 if upright else 0)
            ax.set_ylim(0, 100)
        style.label_outer(axes, y="share of time (%)")
        legend = [style.color_entry(phase, colors[phase]) for phase in PHASES]
        notes = (
            "Times are measured in each worker, without start-up, warm-up and evaluation. "
            f"{workers.sharing(trials)} Communication is what the backward pass does not hide, "
            "including the wait for the slowest worker."
        )
        if trials["seed"].nunique() > 1:
            notes += (
                " Bars are means over repeats; whiskers are 95% intervals of the boundaries "
                "between phases."
            )
        style.finish(figure, title, [legend], workers.footer(results, trials, notes))
    return figure


def _bar(ax: Axes, at: float, ends: pd.DataFrame, colors: Mapping[str, Any]) -> None:
    """Draw a bar from `ends`: a row per repeat, a column per phase, the share where it ends."""
    below = 0.0
    for i, phase in enumerate(PHASES):
        end = statistics.mean(ends[f"{phase}_share"], statistics.SHARE)
        ax.bar(at, 100 * (end.mean - below), bottom=100 * below, color=colors[phase], width=0.7)
        below = end.mean
        # The last phase ends at 100% in all repeats.
        if below > 1 - 1e-9 or math.isnan(end.low):
            continue
        ax.errorbar(
            at - 0.1 + 0.2 * i,  # side by side, since two ends may lie close together
            100 * end.mean,
            yerr=[[100 * (end.mean - end.low)], [100 * (end.high - end.mean)]],
            fmt="none",
            ecolor="#222222",
            elinewidth=1,
            capsize=2,
        )
