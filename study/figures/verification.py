"""Verification: accuracy after training at constant learning rates, with the rules' places."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import statistics
from study.analysis.range_test import RULES, trained_at
from study.analysis.results import Results
from study.analysis.verification import Case, cases
from study.analysis.wording import label, provenance, value_text
from study.figures import style

_LINE = "#444444"


def draw(results: Results, title: str, *, quantity: str) -> dict[str, Figure]:
    """A figure per ramp, a panel per optimizer: the final validation accuracy over the learning
    rate, means over seeds with their 95% interval cut at 0 and 100 %, and a mark for each
    rule at the learning rate where what it read off `quantity` was trained. Rules that share one
    stand above each other.

    No figures without trainings at a constant learning rate.
    """
    found = [case for case in cases(results, quantity) if not case.accuracies.empty]
    figures = {}
    for name in dict.fromkeys(ramp.name for case in found for ramp in case.ramps):
        with style.styled():
            figures[style.suffix([name])] = _figure(results, f"{title}, ramp {name}", found, name)
    return figures


def _figure(results: Results, title: str, found: list[Case], shown: str) -> Figure:
    figure, axes = style.panels(len(found))
    names = [rule.name for rule in RULES]
    colours, markers = style.colours(names), style.markers(names)
    for ax, case in zip(axes, found, strict=True):
        ax.set_title(", ".join(f"{label(n)} {value_text(v)}" for n, v in case.settings.items()))
        _accuracies(ax, case)
        stacked: dict[float, int] = {}
        for ramp in case.ramps:
            if ramp.name != shown:
                continue
            for suggestion in ramp.suggestions:
                if suggestion.lr is None:
                    continue
                at, name = trained_at(suggestion.lr), suggestion.rule.name
                height = 0.06 + 0.06 * stacked.get(at, 0)
                stacked[at] = stacked.get(at, 0) + 1
                ax.plot(
                    [at],
                    [height],
                    markers[name],
                    color=colours[name],
                    markersize=6,
                    transform=ax.get_xaxis_transform(),
                    zorder=5,
                )
        if ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel("validation accuracy (%)")
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("learning rate")
    axes[0].set_ylim(-45, 103)
    axes[0].set_yticks(range(0, 101, 20))
    legend: list[list[Artist]] = [
        [Line2D([], [], color=_LINE, marker="o", label="accuracy after training")],
        [
            Line2D([], [], color=colours[n], marker=markers[n], lw=0, markersize=6, label=n)
            for n in names
        ],
    ]
    constant = results.counted[results.counted["schedule"] == "constant"]
    footer = [
        provenance(results.run, constant) + ".",
        "Means over seeds with their 95% interval, 0 where a training diverged; a suggestion is "
        "trained at the nearest of 1, 2 and 5 times a power of ten. A rule without a mark saw no "
        "true minimum.",
    ]
    style.surround(figure, title, legend, footer)
    return figure


def _accuracies(ax: Axes, case: Case) -> None:
    ax.set_xscale("log")
    percent = 100 * case.accuracies
    seeds = percent.count(axis=1).to_numpy()
    means = percent.mean(axis=1).to_numpy(dtype=float)
    widths = np.array(
        [
            statistics.half_width(float(deviation), int(n))
            for deviation, n in zip(percent.std(axis=1), seeds, strict=True)
        ]
    )
    # An interval that leaves what an accuracy can be says that the seeds are few.
    within = np.minimum([widths, widths], [means, 100 - means])
    ax.errorbar(
        percent.index,
        means,
        yerr=None if max(seeds) < 2 else within,
        color=_LINE,
        marker="o",
        elinewidth=0.8,
        capsize=2,
    )
