"""Final accuracy by constant learning rate, with the rules' suggestions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis import statistics
from study.analysis.range_rules import RULES
from study.analysis.range_test import verification_lr
from study.analysis.results import Results
from study.analysis.verification import RangeTestCase, range_test_cases
from study.analysis.wording import provenance
from study.figures import style


def draw(results: Results, title: str, *, quantity: str) -> dict[str, Figure]:
    """Draw a figure per ramp, a panel per optimizer: validation accuracy by learning rate.

    Accuracies are means over seeds with 95% intervals. Below them is a mark for each rule, at the
    learning rate that stands for its suggestion from the loss `quantity`. Marks of rules that share
    a learning rate are stacked.

    Returns: the figures by file suffix, one for each ramp; none if nothing was trained at a
        constant learning rate.
    """
    cases = [case for case in range_test_cases(results, quantity) if not case.accuracies.empty]
    figures = {}
    for ramp in dict.fromkeys(ramp.name for case in cases for ramp in case.ramps):
        with style.styled():
            figures[style.file_suffix([ramp])] = _figure(results, title, cases, ramp)
    return figures


def _figure(results: Results, title: str, cases: Sequence[RangeTestCase], ramp: str) -> Figure:
    figure, axes = style.panels(len(cases))
    for ax, case in zip(axes, cases, strict=True):
        ax.set_title(", ".join(style.setting_value(n, v) for n, v in case.settings.items()))
        _plot_accuracies(ax, case)
        _plot_suggestions(ax, case, ramp)
    style.label_outer(axes, x="learning rate", y=style.axis_label("validation_accuracy"))
    axes[0].set_ylim(-45, 103)
    axes[0].set_yticks(range(0, 101, 20))
    names = [rule.name for rule in RULES]
    colors, markers = style.colors(names), style.markers(names)
    legend = [
        [style.entry("final accuracy", line="-", marker="o", size=4)],
        [style.entry(name, color=colors[name], marker=markers[name]) for name in names],
    ]
    constant = results.completed[results.completed["schedule"] == "constant"]
    footer = [
        provenance(results.run, constant) + ".",
        "Accuracies are means over seeds with 95% intervals; a diverged trial counts as 0. Each "
        "suggestion is rounded to 1, 2 or 5 times a power of ten. A rule without a mark names no "
        "learning rate.",
    ]
    style.finish(figure, f"{title}, {ramp} ramp", legend, footer)
    return figure


def _plot_suggestions(ax: Axes, case: RangeTestCase, ramp: str) -> None:
    names = [rule.name for rule in RULES]
    colors, markers = style.colors(names), style.markers(names)
    stacked: dict[float, int] = {}
    suggestions = [s for one in case.ramps if one.name == ramp for s in one.suggestions]
    for suggestion in suggestions:
        if suggestion.lr is None:
            continue
        lr, name = verification_lr(suggestion.lr), suggestion.rule.name
        ax.plot(
            [lr],
            [0.06 + 0.06 * stacked.get(lr, 0)],
            markers[name],
            color=colors[name],
            markersize=6,
            transform=ax.get_xaxis_transform(),
            zorder=5,
        )
        stacked[lr] = stacked.get(lr, 0) + 1


def _plot_accuracies(ax: Axes, case: RangeTestCase) -> None:
    ax.set_xscale("log")
    percent = 100 * case.accuracies
    seeds = percent.count(axis=1).to_numpy()
    means = percent.mean(axis=1).to_numpy(dtype=float)
    over_seeds = [
        statistics.mean(case.accuracies.loc[lr].dropna(), statistics.SHARE) for lr in percent.index
    ]
    bars = 100 * np.array(
        [[m.mean - m.low for m in over_seeds], [m.high - m.mean for m in over_seeds]]
    )
    ax.errorbar(
        percent.index,
        means,
        yerr=None if max(seeds) < 2 else bars,
        color=style.GREY,
        marker="o",
        elinewidth=0.8,
        capsize=2,
    )
