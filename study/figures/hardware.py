"""Total training time and steps per second, by processor and number of workers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis import statistics
from study.analysis.results import Results, select
from study.analysis.speedup import LAUNCHERS, scaling_trials, smallest_workload
from study.figures import style, workers

_PANELS = {
    "train_seconds": "total training time T (s)",
    "steps_per_second": "speed v (iterations/s)",
}


def draw(
    results: Results, title: str, *, published: Mapping[int, float] | None = None
) -> dict[str, Figure]:
    """Draw total time and speed of the narrowest net, a mark per launcher, in two panels.

    Marks are means over repeats with 95% intervals. Total time covers all training steps, warm-up
    included, as reports print it; diverged trials end early and are left out of it. `published` is
    a report's total time in seconds by number of GPUs.

    Returns: the figures by file suffix: one for each combination of the other settings that vary;
        none if no trial has a result.
    """
    trials = smallest_workload(scaling_trials(results))
    if trials.empty:
        return {}
    return {
        suffix: _figure(results, heading, inside, published or {})
        for suffix, heading, inside in workers.by_combination(results, trials, title)
    }


def _figure(
    results: Results, title: str, trials: pd.DataFrame, published: Mapping[int, float]
) -> Figure:
    places = sorted(
        {(p, n) for p, n in trials[["processor", "workers"]].itertuples(index=False)}
        | {("gpu", n) for n in published}
    )
    with style.styled():
        figure = Figure(figsize=(9.0, 3.6))
        total, speed = figure.subplots(1, 2)
        lowest = _plot(total, trials[trials["status"] != "diverged"], places, "train_seconds")
        _plot(speed, trials, places, "steps_per_second")
        for axes, text in zip((total, speed), _PANELS.values(), strict=True):
            axes.set_ylabel(text)
            labels = [workers.workers_label(trials, *place) for place in places]
            axes.set_xticks(range(len(places)), labels)
            axes.set_xlim(-0.5, len(places) - 0.5)
        if published:
            at = [places.index(("gpu", n)) for n in published]
            total.plot(at, list(published.values()), "*", color=style.GREY, ms=9)
            # A report's machine and ours may be orders of magnitude apart.
            total.set_yscale("log")
            total.autoscale(axis="y")
            style.plain_log_ticks(total.yaxis, (1, 1.5, 2, 3, 5, 7))
        colors, markers = style.colors(LAUNCHERS), style.markers(LAUNCHERS)
        legend = [
            style.entry(name, color=colors[name], marker=markers[name])
            for name in LAUNCHERS
            if name in set(trials["launcher"])
        ]
        if published:
            legend.append(style.entry("published", marker="*", size=9))
        notes = _notes(trials, published, cut=bool(published) and lowest <= 0)
        style.finish(figure, title, [legend], workers.footer(results, trials, notes))
    return figure


def _plot(
    axes: Axes, trials: pd.DataFrame, places: Sequence[tuple[str, int]], quantity: str
) -> float:
    """Plot the mean of each launcher at each place and return the lowest end of an interval."""
    colors, markers = style.colors(LAUNCHERS), style.markers(LAUNCHERS)
    lowest = math.inf
    for i, launcher in enumerate(LAUNCHERS):
        for place, (processor, count) in enumerate(places):
            where = {"launcher": launcher, "processor": processor, "workers": count}
            inside = select(trials, where)
            if inside.empty:
                continue
            repeats = statistics.mean(inside[quantity])
            is_single = math.isnan(repeats.half_width)
            lowest = min(lowest, repeats.mean - (0 if is_single else repeats.half_width))
            axes.errorbar(
                [place + 0.12 * (i - 1)],
                [repeats.mean],
                yerr=None if is_single else [repeats.half_width],
                fmt=markers[launcher],
                color=colors[launcher],
                markersize=6,
                elinewidth=1,
                capsize=2,
            )
    # Show the whole interval, even if few repeats take it below 0.
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom if lowest < 0 else 0, top)
    return lowest


def _notes(trials: pd.DataFrame, published: Mapping[int, float], *, cut: bool) -> str:
    sentences = [
        workers.workload(trials),
        "T covers all training steps, warm-up included, but not start-up and evaluation.",
        "v is steps per second, from the mean step after warm-up.",
    ]
    if published:
        sentences.append(
            "Published times are the report's own, for the training of our paper budget."
        )
    if trials["seed"].nunique() > 1:
        sentences.append("Bars are 95% intervals over repeats.")
    if (trials["status"] == "diverged").any():
        sentences.append("Diverged trials end early and are not in T.")
    if cut:
        sentences.append("A bar cut off at the bottom of the logarithmic axis extends below 0.")
    return " ".join(sentences)
