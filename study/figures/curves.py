"""Curves of a measurement over training: a panel per value of one setting, a line per another's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lenet.config import ConfigError, check_setting, unknown_name
from study.analysis import statistics
from study.analysis.results import Results, select
from study.analysis.wording import provenance
from study.figures import scales, style

SPLIT_QUANTITIES = ("accuracy", "loss")
"""The quantities that the records have for each split of the data."""
_DASHES = {"train": "-", "validation": "--", "test": ":"}
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
_LOSSES = {
    "cross-entropy": "loss (nats per sample)",
    "mse": "mean squared error",
    "sum-of-squares": "sum of squares",
}
_ENDINGS = {
    "diverged": ("x", "diverged (loss not finite)"),
    "stopped": ("|", "stopped by the scheduler"),
}
_MOST_MARKERS = 30
"""A line of more points has no markers, which would hide it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a figure of curves shows.

    Raises: ConfigError if a setting, `parts` or `x` is unknown.
    """

    where: Mapping[str, Any]
    """settings of the trials to draw"""
    quantity: str
    """`accuracy` (drawn in %), `loss`, or any other column of the records, such as `lr`"""
    line: str | tuple[str, ...]
    """the setting with a line for each value, or several with a line for each combination"""
    panel: str | None = None
    """the setting with a panel for each value; None for a single panel"""
    parts: Sequence[str] = ("train", "validation")
    """splits of the data to draw accuracy or loss on: `train`, `validation`, `test`"""
    x: str = "epoch"
    """the horizontal axis: `epoch` or `step`"""
    log: bool | None = None
    """whether the vertical axis is logarithmic; None decides by the range of the values"""
    until: int | None = None
    """the last step to draw; None for all"""
    start: float | None = None
    """the value before the first step, the same for all lines; None if it is not known"""

    def __post_init__(self) -> None:
        for name in (*self.where, *self.groups):
            check_setting(name)
        for part in self.parts:
            if part not in SPLITS:
                raise ConfigError(unknown_name(part, SPLITS, "part of the data"))
        if self.x not in {"epoch", "step"}:
            raise ConfigError(unknown_name(self.x, ("epoch", "step"), "axis"))

    @property
    def groups(self) -> list[str]:
        """The settings whose values a single figure tells apart."""
        return [*([self.panel] if self.panel else []), *self.line_settings]

    @property
    def line_settings(self) -> tuple[str, ...]:
        """The settings with a line for each combination of their values."""
        return (self.line,) if isinstance(self.line, str) else self.line

    @property
    def has_splits(self) -> bool:
        return self.quantity in SPLIT_QUANTITIES

    @property
    def columns(self) -> dict[str, str]:
        """The columns of the records to draw, each with its line style."""
        if not self.has_splits:
            return {self.quantity: "-"}
        if len(self.parts) == 1:
            return {f"{self.parts[0]}_{self.quantity}": "-"}
        return {f"{part}_{self.quantity}": _DASHES[part] for part in self.parts}

    def axis_label(self, trials: pd.DataFrame) -> str:
        if self.quantity != "loss":
            return style.axis_label(self.quantity.removeprefix("observed_"))
        return loss_label(trials)

    def notes(self, results: Results) -> list[str]:
        """Return sentences for the footer that explain the values."""
        if results.run.is_from_event_files:
            return ["Values are those in TensorBoard's event files."]
        if not self.has_splits:
            return []
        notes = []
        if "train" in self.parts:
            notes.append("Training values are means over all samples since the previous point.")
        evaluated = " and ".join(SPLITS[part] for part in self.parts if part != "train")
        if evaluated:
            notes.append(f"{evaluated.capitalize()} values are measured at each point.")
        return notes


def loss_label(trials: pd.DataFrame) -> str:
    """Return the axis label of the loss that these trials train on."""
    losses = trials["loss"].unique() if "loss" in trials else ["cross-entropy"]
    return _LOSSES.get(losses[0], "loss") if len(losses) == 1 else "loss"


def draw(results: Results, title: str, options: Options) -> dict[str, Figure]:
    """Draw the mean over seeds of a quantity by epoch or step, with the range over seeds.

    Training is solid, validation dashed, test dotted; a single split is solid. Where some seeds of
    a line ended, the others continue as thin single lines. A cross marks where a trial diverged: at
    its last value, or at the edge of the panel if that is not finite.

    Returns: the figures by file suffix: one for each combination of the other settings that vary;
        none if no trial in `where` has a result.
    Raises: ConfigError if the records lack the quantity.
    """
    for column in options.columns:
        if column not in results.records:
            raise ConfigError(unknown_name(column, results.records.columns, "quantity"))
    options = replace(options, x=axis(results, options.x))
    trials = select(results.completed, options.where)
    measured = results.records.dropna(subset=list(options.columns), how="all")
    trials = trials[trials["trial"].isin(measured["trial"]) | (trials["status"] == "diverged")]
    if trials.empty:
        return {}
    # A setting that the panel or the line determines, such as an optimizer's own, needs no separate
    # figures: nothing is averaged over it.
    lines = trials.groupby(options.groups, dropna=False)
    others = [n for n in results.varied_settings if (lines[n].nunique(dropna=False) > 1).any()]
    figures = {}
    for suffix, values, inside in style.by_combination(trials, others):
        where = {**options.where, **{name: inside[name].iloc[0] for name in others}}
        planned = select(results.trials, where)
        shown = select(results.completed, where)
        notes = options.notes(results)
        if inside["seed"].nunique() > 1:
            notes.append("Lines are means over seeds.")
        notes += style.omission(planned, shown, "failed or unfinished")
        with style.styled():
            figures[suffix] = _figure(results, inside, title + values, notes, options)
    return figures


def axis(results: Results, x: str = "epoch") -> str:
    """Return the horizontal axis `x`, or `step` if the event files did not count epochs."""
    return "step" if results.records["epoch"].isna().all() else x


def _figure(
    results: Results, trials: pd.DataFrame, title: str, notes: Sequence[str], options: Options
) -> Figure:
    facets = _values(results, trials, options.panel) if options.panel else [None]
    lines = _lines(results, trials, options.line_settings)
    # Colors follow all values of the run, so that a value has the same color in all figures. If
    # there are too many to tell apart, they follow the values in this figure.
    run_lines = _lines(results, results.trials, options.line_settings)
    ranked = list(run_lines if len(run_lines) <= style.PALETTE_SIZE else lines)
    colors, markers = style.colors(ranked), style.markers(ranked)
    figure, axes = style.panels(len(facets))
    panels = [Panel(ax, options) for ax in axes]
    for panel, facet in zip(panels, facets, strict=True):
        inside = trials
        if options.panel:
            panel.axes.set_title(style.setting_value(options.panel, facet))
            inside = select(trials, {options.panel: facet})
        for value, settings in lines.items():
            seeds = select(inside, settings)
            records = results.records[results.records["trial"].isin(seeds["trial"])]
            if options.until:
                records = records[records["step"] <= options.until]
            if not records.empty:
                panel.add(seeds, records, colors[value], markers[value])
    notes = [*notes, *scale_axes(panels, options)]
    scale_note = scales.note(axes[0], "y")
    style.label_outer(axes, x=options.x, y=options.axis_label(trials) + scale_note)
    if any([style.separate(panel.axes, panel.lines) for panel in panels]):
        notes = [*notes, style.SEPARATED]
    chance = scales.add_chance(axes, "y", options.quantity, trials)
    others = [*other_entries(trials, panels, options), *chance]
    if len(ranked) > style.PALETTE_SIZE and not isinstance(ranked[-1], str):
        (setting,) = options.line_settings
        style.add_color_bar(figure, axes, {v: colors[v] for v in lines}, setting)
        legend: list[list[Artist]] = [others]
    else:
        has_markers = any(panel.has_markers for panel in panels)
        legend = [line_entries(lines, colors, markers if has_markers else {}), others]
    style.finish(figure, title, legend, [provenance(results.run, trials) + ".", " ".join(notes)])
    return figure


def line_entries(
    lines: Mapping[Any, Mapping[str, Any]], colors: Mapping[Any, Any], markers: Mapping[Any, str]
) -> list[Artist]:
    """Return the legend entry of each line; without its marker if `markers` has none."""
    return [
        style.entry(
            value if len(settings) > 1 else style.setting_value(*next(iter(settings.items()))),
            color=colors[value],
            line="-",
            marker=markers.get(value, ""),
            size=4,
        )
        for value, settings in lines.items()
    ]


def _lines(
    results: Results, trials: pd.DataFrame, settings: Sequence[str]
) -> dict[Any, dict[str, Any]]:
    """Return the settings of each line that these trials have, in the order of the run.

    Their keys are the values of a single setting, or texts that name the values of several.
    """
    lines: dict[Any, dict[str, Any]] = {}
    for values in itertools.product(*map(results.values_of, settings)):
        where = dict(zip(settings, values, strict=True))
        if not select(trials, where).empty:
            words = (
                v if isinstance(v, str) else style.setting_value(n, v) for n, v in where.items()
            )
            lines[values[0] if len(values) == 1 else ", ".join(words)] = where
    return lines


def _values(results: Results, trials: pd.DataFrame, setting: str) -> list[Any]:
    """Return the values of a setting that these trials have, in the order of the run."""
    return [v for v in results.values_of(setting) if not select(trials, {setting: v}).empty]


class Panel:
    """One panel, with what is drawn in it."""

    def __init__(self, axes: Axes, options: Options) -> None:
        self.axes = axes
        self.options = options
        self.lines: list[Line2D] = []
        """lines of means, which may hide each other"""
        self.heights: list[float] = []
        """values that the vertical axis must show"""
        self.band_ends: list[float] = []
        """lowest and highest seeds, which it shows unless they lie far beyond those values"""
        self.has_markers = False
        self.has_tails = False
        self.endings: list[str] = []
        self._marks_at_edge = 0

    def add(self, trials: pd.DataFrame, records: pd.DataFrame, color: Any, marker: str) -> None:
        """Draw one line, whose trials differ only in the seed."""
        until = self.options.until
        for part, (column, dashes) in enumerate(self.options.columns.items()):
            measured = records.dropna(subset=column)
            values = measured.pivot(index=["step", "epoch"], columns="trial", values=column)
            values = values.astype(float)
            values = values.where(np.isfinite(values)) * style.scale(self.options.quantity)
            if self.options.start is not None:
                values.loc[(0, 0.0), :] = self.options.start * style.scale(self.options.quantity)
                values = values.sort_index()
            if not values.empty:
                self._add_mean(values, dashes, color, marker, outlined=part > 0)
        ended = trials[trials["status"].isin(list(_ENDINGS))]
        for name, status in zip(ended["trial"], ended["status"], strict=True):
            curve = records[records["trial"] == name]
            if not until or curve["diverged"].any() or status != "diverged":
                self._add_ending(curve, status, color)

    def _add_mean(
        self, values: pd.DataFrame, dashes: str, color: Any, marker: str, *, outlined: bool
    ) -> None:
        """Draw the mean over seeds with its band, and the seeds that continue beyond it."""
        band = statistics.bands(values)
        at = band.index.get_level_values(self.options.x)
        has_markers = len(band) <= _MOST_MARKERS
        self.has_markers |= has_markers
        self.lines += self.axes.plot(
            at,
            band["mean"],
            dashes,
            color=color,
            marker=marker if has_markers else "",
            markerfacecolor=color if dashes == "-" else "white",
        )
        self.heights += band["mean"].tolist()
        if values.shape[1] == 1:
            return
        style.add_band(self.axes, at, band["low"], band["high"], color, outlined=outlined)
        self.band_ends += [*band["low"], *band["high"]]
        last_common = band.index[-1] if len(band) else values.index[0]
        for _, seed in values.items():
            tail = seed.loc[last_common:].dropna()
            if len(tail) > (1 if len(band) else 0):
                beyond = tail.index.get_level_values(self.options.x)
                self.axes.plot(beyond, tail, dashes, color=color, lw=0.8, alpha=0.8)
                self.heights += tail.tolist()
                self.has_tails = True

    def _add_ending(self, records: pd.DataFrame, status: str, color: Any) -> None:
        """Mark where a trial diverged or was stopped."""
        marker, _ = _ENDINGS[status]
        last = records.sort_values("step").iloc[-1]
        quantity = self.options.quantity
        column = f"train_{quantity}" if self.options.has_splits else quantity
        value = float(last[column]) * style.scale(quantity)
        transform = self.axes.transData
        if np.isfinite(value):
            self.heights.append(value)
        else:
            # At the top for a loss, at the bottom for an accuracy, side by side so that no mark
            # hides another.
            transform = self.axes.get_xaxis_transform()
            offset = 0.07 * self._marks_at_edge
            value = 0.03 + offset if quantity == "accuracy" else 0.97 - offset
            self._marks_at_edge += 1
        self.axes.plot(
            [last[self.options.x]],
            [value],
            marker,
            color=color,
            markersize=9,
            markeredgewidth=2,
            transform=transform,
            clip_on=False,
            zorder=5,
        )
        self.endings.append(status)


def scale_axes(panels: Sequence[Panel], options: Options) -> list[str]:
    """Scale the axes that the panels share, and return sentences for the footer.

    A band may be far wider than the curves, which would be flat on an axis that held it.
    """
    axes = panels[0].axes
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=axes.get_xlim()[1] > 2))
    heights = [height for panel in panels for height in panel.heights]
    ends = [end for panel in panels for end in panel.band_ends]
    if not heights:  # all trials diverged before their first value
        axes.set_yticks([])
        return []
    scales.set_scale(axes, "y", options.quantity, heights, options.log, optional=ends)
    if not scales.are_cut(axes, "y", ends):
        return []
    return ["The frame cuts off bands that reach far beyond all lines."]


def other_entries(trials: pd.DataFrame, panels: Sequence[Panel], options: Options) -> list[Artist]:
    """Return the legend entries of all but the lines."""
    entries: list[Artist] = []
    if options.has_splits and len(options.parts) > 1:
        for part in options.parts:
            fill = style.GREY if part == "train" else "white"
            marker = "o" if any(panel.has_markers for panel in panels) else ""
            entries.append(
                style.entry(SPLITS[part], line=_DASHES[part], marker=marker, size=4, mfc=fill)
            )
    if trials.groupby(options.groups, dropna=False)["seed"].nunique().max() > 1:
        first, *others = [SPLITS[part] for part in options.parts if options.has_splits] or [""]
        entries.append(style.band_entry(f"range over seeds{f', {first}' if others else ''}"))
        if others:
            name = f"range over seeds, {' and '.join(others)}"
            entries.append(style.outline_entry(name))
    if any(panel.has_tails for panel in panels):
        entries.append(style.entry("remaining seeds, after one ended", line="-", lw=0.8))
    for status, (marker, text) in _ENDINGS.items():
        if any(status in panel.endings for panel in panels):
            entries.append(style.entry(text, marker=marker, size=9, mew=2))
    return entries
