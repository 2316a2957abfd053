"""Learning curves of single trials, side by side: each panel has its own steps and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lenet.config import check_setting
from study.analysis.results import Results, select
from study.analysis.step_losses import moving_average, steps_between
from study.analysis.wording import pluralize, provenance
from study.figures import style
from study.figures.curves import loss_label

_COLOR = style.colors(["loss"])["loss"]
_BAND_ALPHA = 0.25
_MOST_VECTORS = 2_000
"""A curve of more records is drawn as pixels."""

_TYPICAL, _HEADROOM = 0.999, 4.0
"""A panel with a band ends at the headroom times this quantile of the means, if losses exceed
that."""


def draw(
    results: Results,
    title: str,
    *,
    where: Mapping[str, Any],
    panels: Sequence[tuple[Mapping[str, Any], int, int]],
    average: int | None = None,
) -> dict[str, Figure]:
    """Draw the training loss of single steps by step, a panel for each of `panels`.

    A panel is (settings besides `where`, first step, last step). It shows only the first seed: a
    mean over seeds would hide the oscillation. Where a record covers several steps, a band reaches
    from the lowest to the highest loss of a step, and a line is their mean. With `average`, the
    line is the moving average over this number of steps instead, without a band.

    Returns: the figures by file suffix, one for each combination of the other settings that vary;
        none if no trial has a record in any panel.
    Raises: ConfigError if a setting is unknown, or the records are too far apart for `average`.
    """
    for name in (name for settings in (where, *(p[0] for p in panels)) for name in settings):
        check_setting(name)
    trials = select(results.completed, where)
    inside = [select(trials, settings) for settings, *_ in panels]
    others = [
        name
        for name in results.varied_settings
        if any(own[name].nunique(dropna=False) > 1 for own in inside)
    ]
    drawn = pd.concat(inside)
    figures = {}
    for suffix, values, combination in style.by_combination(drawn, others):
        curves = []
        for own, (settings, first, last) in zip(inside, panels, strict=True):
            seeds = own[own["trial"].isin(combination["trial"])].sort_values("seed")
            records = results.records[results.records["trial"].isin(seeds["trial"].iloc[:1])]
            records = records[records["step"] <= last].sort_values("step")
            if (records["step"] >= first).any():
                curves.append(_Curve(seeds, records, settings, first, last))
        if curves:
            with style.styled():
                figures[suffix] = _figure(results, title + values, curves, average)
    return figures


@dataclass(frozen=True)
class _Curve:
    """The trials and the records that one panel shows."""

    trials: pd.DataFrame
    """one per seed"""
    records: pd.DataFrame
    """records of the first seed, by step, up to the last step of the panel"""
    settings: Mapping[str, Any]
    first: int
    last: int

    @property
    def diverged(self) -> bool:
        return bool(self.records["diverged"].any())

    @property
    def top(self) -> float | None:
        """The end of the loss axis if single steps would flatten the curve; None: all losses fit.

        One step in 100,000 with a loss of 1,000 would press means of 1 onto the axis.
        """
        losses = self.records["train_loss"]
        losses = losses[np.isfinite(losses)]
        end = _HEADROOM * float(losses.quantile(_TYPICAL))
        return end if (self.records["highest_train_loss"] > end).any() else None

    @property
    def ends_early(self) -> bool:
        return not self.diverged and self.records["step"].max() < self.last


def _figure(results: Results, title: str, curves: Sequence[_Curve], average: int | None) -> Figure:
    figure, axes = style.panels(len(curves), share_x=False, share_y=False)
    trials = pd.concat([curve.trials for curve in curves])
    is_mean = has_band = is_cut = False
    for ax, curve in zip(axes, curves, strict=True):
        is_mean |= bool((steps_between(curve.records) > 1).any())
        band = _draw_panel(ax, curve, average)
        top = curve.top if band else None
        has_band |= band
        is_cut |= top is not None
        ax.set_title(_name(curve.settings) + (" (diverged)" if curve.diverged else ""))
        ax.set_xlim(curve.first - 1, curve.records["step"].max())
        ax.set_ylim(0, top)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    style.label_outer(axes, x="step", y=loss_label(trials))
    line = "mean of the steps since the previous record" if is_mean else "loss of each step"
    if average:
        line = f"mean of the last {average:,} steps"
    entries: list[Artist] = [style.entry(line, line="-", color=_COLOR)]
    if has_band:
        entries.append(style.color_entry("lowest to highest loss of a step", _COLOR, _BAND_ALPHA))
    notes = [provenance(results.run, trials) + ".", _note(curves)]
    if is_cut:
        notes.append("Losses of single steps above the frame are cut off.")
    style.finish(figure, title, [entries], notes)
    return figure


def _draw_panel(axes: Axes, curve: _Curve, average: int | None) -> bool:
    """Draw one curve from its first step on. Return True if it has a band."""
    losses = moving_average(curve.records, average) if average else curve.records["train_loss"]
    # A diverged trial ends with a loss that is not finite, which no axis can show.
    shown = (curve.records["step"] >= curve.first) & np.isfinite(losses)
    records = curve.records[shown]
    steps, means = records["step"], losses[shown]
    covered = steps_between(curve.records)
    # Runs of earlier versions recorded only the mean.
    has_band = not average and "lowest_train_loss" in records and bool((covered > 1).any())
    if not has_band or records.empty:
        axes.plot(steps, means, color=_COLOR, lw=1.0)
        return False
    # A record covers the steps up to its own, so the first record's steps begin before it.
    begun = int(steps.iloc[0] - covered[shown].iloc[0])
    edges = [begun, *steps]
    low, high, mean = (
        [values.iloc[0], *values]
        for values in (records["lowest_train_loss"], records["highest_train_loss"], means)
    )
    # Otherwise a file of vector graphics has megabytes, and viewers take seconds to draw it.
    as_pixels = len(edges) > _MOST_VECTORS
    axes.fill_between(
        edges, low, high, step="pre", color=_COLOR, alpha=_BAND_ALPHA, lw=0, rasterized=as_pixels
    )
    axes.plot(edges, mean, color=_COLOR, lw=1.0, drawstyle="steps-pre", rasterized=as_pixels)
    return True


def _name(settings: Mapping[str, Any]) -> str:
    words = [
        value if isinstance(value, str) else style.setting_value(name, value)
        for name, value in settings.items()
    ]
    return ", ".join(words)


def _note(curves: Sequence[_Curve]) -> str:
    sentences = ["Each panel has its own scales."]
    seeds = max(curve.trials["seed"].nunique() for curve in curves)
    if seeds > 1:
        sentences.append(f"The first of {pluralize(seeds, 'seed')} is drawn.")
    ends = sorted({curve.last for curve in curves if curve.ends_early})
    if ends:
        declared = " and ".join(f"{last:,}" for last in ends)
        sentences.append(f"This run ends before step {declared}, to which the report draws.")
    return " ".join(sentences)
