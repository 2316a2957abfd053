"""Whole time, training time and steps per second, by processor and number of workers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from search_spaces.hardware import LAUNCHERS, SERIAL, STRATEGIES
from study.analysis import statistics
from study.analysis.quantity import support_of
from study.analysis.results import Results, select
from study.analysis.speedup import main_strategy, scaling_trials, smallest_workload
from study.figures import style, workers

_SERIES = (*LAUNCHERS, *(f"{one}, {strategy}" for one in LAUNCHERS for strategy in STRATEGIES))
"""What a mark stands for: a launcher, and its workers' strategy if it is not the main one."""

_PANELS = {
    "total_seconds": "T, whole program (s)",
    "train_seconds": "training steps alone (s)",
    "steps_per_second": "speed v (iterations/s)",
}
_PANEL_WIDTH = 3.9
_MOST_IN_A_ROW = 3


def draw(
    results: Results,
    title: str,
    *,
    published: Mapping[int, float] | None = None,
    published_on: str = "",
) -> dict[str, Figure]:
    """Draw times and speed of the narrowest net, in a panel each.

    A mark is a launcher, and a strategy where several ways to share a step were run.

    The panels are the whole time of the program, where the run measured it, the time of the
    training steps alone, and the speed. Marks are means over repeats with 95% intervals. Diverged
    trials end early and are excluded from the times. `published` is a report's total time in
    seconds by number of GPUs, and `published_on` names its device. Published times have a separate
    panel: times on other machines, such as our CPU workers, do not share an axis with them.

    Returns: the figures by file suffix: one for each combination of the other settings that vary;
        none if no trial has a result.
    """
    trials = smallest_workload(scaling_trials(results))
    if trials.empty:
        return {}
    return {
        suffix: _figure(results, heading, inside, published or {}, published_on)
        for suffix, heading, inside in workers.by_combination(results, trials, title)
    }


def _figure(
    results: Results,
    title: str,
    trials: pd.DataFrame,
    published: Mapping[int, float],
    published_on: str,
) -> Figure:
    as_most = trials["strategy"].isin([SERIAL, main_strategy(trials)])
    series = trials["launcher"].where(as_most, trials["launcher"] + ", " + trials["strategy"])
    trials = trials.assign(series=series)
    places = sorted(set(trials[["processor", "workers"]].itertuples(index=False, name=None)))
    measured = [name for name in _PANELS if name in trials and trials[name].notna().any()]
    with style.styled():
        count = len(measured) + bool(published)
        rows = 1 if count <= _MOST_IN_A_ROW else 2
        columns = math.ceil(count / rows)
        figure = Figure(figsize=(_PANEL_WIDTH * columns, 3.6 * rows))
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        names = [name for name in _SERIES if name in set(trials["series"])]
        colors, markers = style.colors(names), style.markers(names)
        for axes, quantity in zip(panels, measured, strict=False):
            is_time = quantity.endswith("seconds")
            converged = trials[trials["status"] != "diverged"] if is_time else trials
            for i, name in enumerate(names):
                shift = 0.12 * (i - (len(names) - 1) / 2)
                _plot(
                    axes,
                    converged[converged["series"] == name].dropna(subset=quantity),
                    {place: number + shift for number, place in enumerate(places)},
                    quantity,
                    {"color": colors[name], "fmt": markers[name]},
                )
            axes.set_ylabel(_PANELS[quantity])
            labels = [workers.workers_label(trials, *place) for place in places]
            _set_places(axes, labels)
        if published:
            axes = panels[-1]
            axes.plot(list(published.values()), "*", color=style.GREY, ms=9)
            axes.set_ylabel("published total time (s)")
            axes.set_title(published_on)
            _set_places(axes, [f"{n} GPU" for n in published])
            axes.set_ylim(top=1.1 * max(published.values()))
        legend = [style.entry(name, color=colors[name], marker=markers[name]) for name in names]
        if published:
            legend.append(style.entry("published", marker="*", size=9))
        notes = _notes(trials, measured, published)
        style.finish(figure, title, [legend], workers.footer(results, trials, notes))
    return figure


def _set_places(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylim(bottom=0)


def _plot(
    axes: Axes,
    trials: pd.DataFrame,
    at: Mapping[tuple[str, int], float],
    quantity: str,
    look: Mapping[str, Any],
) -> None:
    """Plot the mean of one series at each processor and number of workers, with its interval."""
    for (processor, count), place in at.items():
        inside = select(trials, {"processor": processor, "workers": count})
        if inside.empty:
            continue
        repeats = statistics.mean(inside[quantity], support_of(quantity))
        bar = [[repeats.mean - repeats.low], [repeats.high - repeats.mean]]
        axes.errorbar(
            [place],
            [repeats.mean],
            yerr=None if math.isnan(repeats.low) else bar,
            markersize=6,
            elinewidth=1,
            capsize=2,
            **look,
        )


def _notes(trials: pd.DataFrame, measured: Sequence[str], published: Mapping[int, float]) -> str:
    sentences = [
        " ".join(filter(None, [workers.workload(trials), workers.sharing(trials)])),
    ]
    if "total_seconds" in measured:
        sentences.append(
            "T lasts from the request for the workers to the last record: start-up, training, "
            "evaluation, checkpoints. Ray's own start is not in it."
        )
    sentences += [
        "Training steps include the warm-up.",
        "v is steps per second, from the mean step after warm-up.",
    ]
    if published:
        sentences.append(
            "Published times are the report's own, for the training of our paper budget."
        )
    if trials["seed"].nunique() > 1:
        sentences.append("Bars are 95% intervals over repeats.")
    if (trials["status"] == "diverged").any():
        sentences.append("Diverged trials end early and are in no time.")
    return " ".join(sentences)
