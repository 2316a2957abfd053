"""Training and validation curves: a panel per value of one setting, a line per another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from lenet.config import check_setting, nearest
from study.analysis import statistics
from study.analysis.results import COUNTED, Results, select
from study.analysis.wording import counted, label, provenance, value_text
from study.figures import FigureError, style

_QUANTITIES = {"accuracy": ("accuracy (%)", 100.0), "loss": ("loss (nats per sample)", 1.0)}
_PARTS = {"train": "-", "validation": "--"}
_ENDINGS = {
    "diverged": ("x", "diverged: loss not finite"),
    "stopped": ("|", "stopped by the scheduler"),
}
_GREY = "#444444"
_BAND = 0.13  # opacity: both bands of a line, and those of others, show through
_MEANING = (
    "Training values are means over the samples since the point before, "
    "validation values are taken at the point."
)


def draw(
    results: Results, title: str, *, where: Mapping[str, Any], quantity: str, panel: str, line: str
) -> dict[str, Figure]:
    """The curves of `quantity` (`accuracy` in %, or `loss`) over epochs.

    Only trials with the settings in `where` and a result are drawn: training solid,
    validation dashed, a panel per value of the setting `panel` and a line per value of
    the setting `line`, the mean over seeds with their range as a band. Beyond the
    step that all seeds of a line reached, the others go on one by one, thin. A cross marks
    where a run diverged: at its last value, or at the edge if that is not finite.

    Returns the figures by the suffix of their names: one with none, or one for each
    combination of the other settings that vary (they are never averaged over), or none at
    all if no trial is left. Raises `ConfigError` on an unknown setting, `FigureError` on an
    unknown quantity.
    """
    for name in (*where, panel, line):
        check_setting(name)
    if quantity not in _QUANTITIES:
        raise FigureError(nearest(quantity, _QUANTITIES, "quantity"))
    shown = select(results.counted, where)
    if shown.empty:
        return {}
    others = [
        n for n in results.varied if n not in {panel, line} and shown[n].nunique(dropna=False) > 1
    ]
    groups = shown.groupby(others, dropna=False) if others else [((), shown)]
    figures = {}
    for key, trials in groups:
        parts = [(name, value_text(value)) for name, value in zip(others, key, strict=True)]
        # A model of one's own is named module:Class, which no file may be everywhere.
        suffix = "".join(f"-{name}{value}" for name, value in parts).replace(":", "-")
        said = "".join(f", {label(name)} {value}" for name, value in parts)
        same = dict(where) | {n: trials[n].iloc[0] for n in others}
        footer = [
            provenance(results.run, trials) + ".",
            _MEANING,
            *_left_out(select(results.trials, same)),
        ]
        with style.styled():
            figures[suffix] = _figure(
                results, trials, title + said, footer, quantity=quantity, panel=panel, line=line
            )
    return figures


def _figure(
    results: Results,
    trials: pd.DataFrame,
    title: str,
    footer: Sequence[str],
    *,
    quantity: str,
    panel: str,
    line: str,
) -> Figure:
    facets = [v for v in results.values_of(panel) if not select(trials, {panel: v}).empty]
    lines = [v for v in results.values_of(line) if not select(trials, {line: v}).empty]
    # Colours go by all values of the run, so that one value has one colour in all figures.
    colours = style.colours(results.values_of(line))
    markers = style.markers(results.values_of(line))
    figure, axes = style.panels(len(facets))
    drawn = [_Panel(ax, quantity) for ax in axes]
    for part, value in zip(drawn, facets, strict=True):
        part.axes.set_title(f"{label(panel)} {value_text(value)}")
        inside = select(trials, {panel: value})
        for shade in lines:
            runs = select(inside, {line: shade})
            records = results.records[results.records["trial"].isin(runs["trial"])]
            if records.empty:  # a combination that the study leaves out, or that failed
                continue
            part.add(runs, records, colours[shade], markers[shade])
    axis, _ = _QUANTITIES[quantity]
    _scale(axes[0], quantity, [y for part in drawn for y in part.heights])
    for ax in axes:
        if ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel(axis)
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("epoch")
    named = [(f"{label(line)} {value_text(v)}", colours[v], markers[v]) for v in lines]
    several = trials.groupby([panel, line], dropna=False)["seed"].nunique().max() > 1
    tails = any(part.tails for part in drawn)
    endings = {status for part in drawn for status in part.endings}
    legend = _legend(named, bands=several, tails=tails, endings=endings)
    style.surround(figure, title, legend, footer)
    return figure


@dataclass
class _Panel:
    """One panel and what was drawn into it."""

    axes: Axes
    quantity: str
    heights: list[float] = field(default_factory=list)
    tails: bool = False
    endings: list[str] = field(default_factory=list)
    _at_edge: int = 0

    def add(self, trials: pd.DataFrame, records: pd.DataFrame, colour: Any, marker: str) -> None:
        """Draw one line: its trials differ in nothing but the seed."""
        for part, dashes in _PARTS.items():
            values = records.pivot(
                index=["step", "epoch"], columns="trial", values=f"{part}_{self.quantity}"
            ).astype(float)
            values = values.where(np.isfinite(values)) * _QUANTITIES[self.quantity][1]
            self._mean(values, dashes, colour, marker, hollow=part == "validation")
        ended = trials[trials["status"].isin(list(_ENDINGS))]
        for name, status in zip(ended["trial"], ended["status"], strict=True):
            self._ending(records[records["trial"] == name], status, colour)

    def _mean(
        self, values: pd.DataFrame, dashes: str, colour: Any, marker: str, *, hollow: bool
    ) -> None:
        """The mean over seeds with its band, and the seeds that went on beyond it."""
        band = statistics.bands(values)
        epochs = band.index.get_level_values("epoch")
        few = len(band) <= 30  # more points than that make markers a caterpillar
        self.axes.plot(
            epochs,
            band["mean"],
            dashes,
            color=colour,
            marker=marker if few else "",
            markerfacecolor="white" if hollow else colour,
        )
        self.heights += band["mean"].tolist()
        if values.shape[1] == 1:
            return
        self.axes.fill_between(epochs, band["low"], band["high"], color=colour, alpha=_BAND, lw=0)
        common = band.index[-1] if len(band) else values.index[0]
        for _, seed in values.items():
            tail = seed.loc[common:].dropna()
            if len(tail) > (1 if len(band) else 0):
                at = tail.index.get_level_values("epoch")
                self.axes.plot(at, tail, dashes, color=colour, lw=0.8, alpha=0.8)
                self.heights += tail.tolist()
                self.tails = True

    def _ending(self, records: pd.DataFrame, status: str, colour: Any) -> None:
        marker, _ = _ENDINGS[status]
        last = records.sort_values("step").iloc[-1]
        value = float(last[f"train_{self.quantity}"]) * _QUANTITIES[self.quantity][1]
        transform = self.axes.transData
        if not np.isfinite(value):
            # Off the scale: at the top for a loss, at the bottom for an accuracy, each
            # further one beside the last so that none hides another.
            transform = self.axes.get_xaxis_transform()
            step = 0.07 * self._at_edge
            value = 0.97 - step if self.quantity == "loss" else 0.03 + step
            self._at_edge += 1
        else:
            self.heights.append(value)
        self.axes.plot(
            [last["epoch"]],
            [value],
            marker,
            color=colour,
            markersize=9,
            markeredgewidth=2,
            transform=transform,
            clip_on=False,
            zorder=5,
        )
        self.endings.append(status)


def _scale(axes: Axes, quantity: str, heights: Sequence[float]) -> None:
    """Scale the shared axes by the curves alone: an interval of two or three seeds may be
    many times as wide as all that there is to see."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=axes.get_xlim()[1] > 2))
    if not heights:  # every run diverged before its first value
        axes.set_yticks([])
        return
    low, high = min(heights), max(heights)
    if quantity == "loss" and low > 0 and high / low > 10:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.25, high * 1.25)
        subs = (1, 2, 5) if high / low < 1e3 else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    margin = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    ceiling = 100 + margin / 2 if quantity == "accuracy" else np.inf
    axes.set_ylim(max(low - margin, -margin / 2), min(high + margin, ceiling))


def _legend(
    lines: Sequence[tuple[str, Any, str]], *, bands: bool, tails: bool, endings: set[str]
) -> list[list[Artist]]:
    """The lines, then what else is in the figure: one entry for each."""
    named: list[Artist] = [
        Line2D([], [], color=colour, marker=marker, label=name) for name, colour, marker in lines
    ]
    others: list[Artist] = [
        Line2D([], [], color=_GREY, marker="o", label="training"),
        Line2D([], [], color=_GREY, marker="o", mfc="white", ls="--", label="validation"),
    ]
    if bands:
        others.append(Patch(color=_GREY, alpha=2 * _BAND, lw=0, label="range over seeds"))
    if tails:
        others.append(Line2D([], [], color=_GREY, lw=0.8, label="one seed, after another ended"))
    for status, (marker, meaning) in _ENDINGS.items():
        if status in endings:
            others.append(
                Line2D([], [], color=_GREY, marker=marker, ls="", ms=9, mew=2, label=meaning)
            )
    return [named, others]


def _left_out(trials: pd.DataFrame) -> list[str]:
    missing = int((~trials["status"].isin(COUNTED)).sum())
    if not missing:
        return []
    return [f"Not shown: {missing} of {counted(len(trials), 'trial')}, failed or unfinished."]
