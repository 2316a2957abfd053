"""Curves: a panel per value of one setting, a line per another's."""

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

_IN_PARTS = ("accuracy", "loss")
_PARTS = {"train": "-", "validation": "--", "test": ":"}
_NAMES = {"train": "training", "validation": "validation", "test": "test"}
_LOSSES = {
    "cross-entropy": "loss (nats per sample)",
    "mse": "mean squared error",
    "sum-of-squares": "sum of squares",
}
_ENDINGS = {
    "diverged": ("x", "diverged: loss not finite"),
    "stopped": ("|", "stopped by the scheduler"),
}
_GREY = "#444444"
_BAND = 0.13  # opacity: both bands of a line, and those of others, show through


@dataclass(frozen=True)
class _Asked:
    """What is drawn: the options of `draw`."""

    quantity: str
    parts: Sequence[str]
    x: str
    log: bool | None
    until: int | None
    average: int | None

    @property
    def columns(self) -> dict[str, str]:
        """The columns of the records with the dashes of their lines."""
        if self.quantity in _IN_PARTS:
            # Dashes tell parts apart; a part that is alone needs none.
            alone = len(self.parts) == 1
            return {f"{p}_{self.quantity}": "-" if alone else _PARTS[p] for p in self.parts}
        return {self.quantity: "-"}

    @property
    def scale(self) -> float:
        return 100.0 if self.quantity == "accuracy" else 1.0

    def axis(self, trials: pd.DataFrame) -> str:
        if self.quantity == "accuracy":
            return "accuracy (%)"
        if self.quantity == "loss":
            named = trials["loss"].unique() if "loss" in trials else ["cross-entropy"]
            return _LOSSES[named[0]] if len(named) == 1 else "loss"
        return label(self.quantity.removeprefix("observed_"))

    def meaning(self) -> str:
        if self.quantity not in _IN_PARTS:
            return ""
        said = []
        if "train" in self.parts:
            over = f"the {self.average:,} steps" if self.average else "the samples since the point"
            said.append(f"training values are means over {over} before")
        others = [_NAMES[part] for part in self.parts if part != "train"]
        if others:
            said.append(f"{' and '.join(others)} values are taken at the point")
        text = ", ".join(said)
        return text[:1].upper() + text[1:] + "."


def draw(
    results: Results,
    title: str,
    *,
    where: Mapping[str, Any],
    quantity: str,
    line: str,
    panel: str | None = None,
    parts: Sequence[str] = ("train", "validation"),
    x: str = "epoch",
    log: bool | None = None,
    until: int | None = None,
    average: int | None = None,
) -> dict[str, Figure]:
    """The curves of `quantity` over epochs: `accuracy` in %, `loss`, or any other column of
    the records, such as `lr`.

    Only trials with the settings in `where` and a result are drawn: training solid,
    validation dashed, test dotted (those of `parts`), a panel per value of the setting
    `panel` and a line per value of the setting `line`, the mean over seeds with their range
    as a band. Beyond the step that all seeds of a line reached, the others go on one by one,
    thin. A cross marks where a run diverged: at its last value, or at the edge if that is not
    finite.

    `x` is `epoch` or `step`. `log` makes the axis logarithmic or linear, None as the values
    ask for. `until` leaves out what lies beyond that step. `average` takes the training
    values as means over so many steps; records must be that close together.

    Returns the figures by the suffix of their names: one with none, or one for each
    combination of the other settings that vary (they are never averaged over), or none at
    all if no trial is left. Raises `ConfigError` on an unknown setting, `FigureError` on an
    unknown quantity.
    """
    for name in (*where, *([panel] if panel else []), line):
        check_setting(name)
    for part in parts:
        if part not in _PARTS:
            raise FigureError(nearest(part, _PARTS, "part of the data"))
    if x not in {"epoch", "step"}:
        raise FigureError(nearest(x, ("epoch", "step"), "axis"))
    asked = _Asked(quantity, parts, x, log, until, average)
    for column in asked.columns:
        if column not in results.records:
            raise FigureError(nearest(column, results.records.columns, "quantity"))
    shown = select(results.counted, where)
    measured = results.records.dropna(subset=list(asked.columns), how="all")
    shown = shown[shown["trial"].isin(measured["trial"]) | (shown["status"] == "diverged")]
    if shown.empty:
        return {}
    # A setting that goes with the panel or the line, such as an optimizer's own, does not part
    # a figure: nothing is averaged over it.
    lines = shown.groupby([*([panel] if panel else []), line], dropna=False)
    others = [n for n in results.varied if (lines[n].nunique(dropna=False) > 1).any()]
    groups = shown.groupby(others, dropna=False) if others else [((), shown)]
    figures = {}
    for key, trials in groups:
        said_of = [(name, value_text(value)) for name, value in zip(others, key, strict=True)]
        # A model of one's own is named module:Class, which no file may be everywhere.
        suffix = "".join(f"-{name}{value}" for name, value in said_of).replace(":", "-")
        said = "".join(f", {label(name)} {value}" for name, value in said_of)
        same = dict(where) | {n: trials[n].iloc[0] for n in others}
        footer = [
            provenance(results.run, trials) + ".",
            asked.meaning() + _over_seeds(trials),
            *_left_out(select(results.trials, same)),
        ]
        with style.styled():
            figures[suffix] = _figure(
                results, trials, title + said, footer, asked=asked, panel=panel, line=line
            )
    return figures


def _over_seeds(trials: pd.DataFrame) -> str:
    return " Lines are means over seeds." if trials["seed"].nunique() > 1 else ""


def _figure(
    results: Results,
    trials: pd.DataFrame,
    title: str,
    footer: Sequence[str],
    *,
    asked: _Asked,
    panel: str | None,
    line: str,
) -> Figure:
    facets: list[Any] = [None]
    if panel:
        facets = [v for v in results.values_of(panel) if not select(trials, {panel: v}).empty]
    lines = [v for v in results.values_of(line) if not select(trials, {line: v}).empty]
    # Colours go by all values of the run, so that one value has one colour in all figures;
    # where these are too many for that, those of one figure are to be told apart.
    every = results.values_of(line)
    ranked = every if len(every) <= style.DISTINCT else lines
    colours, markers = style.colours(ranked), style.markers(ranked)
    figure, axes = style.panels(len(facets))
    drawn = [_Panel(ax, asked) for ax in axes]
    for part, value in zip(drawn, facets, strict=True):
        inside = trials
        if panel:
            part.axes.set_title(f"{label(panel)} {value_text(value)}")
            inside = select(trials, {panel: value})
        for shade in lines:
            runs = select(inside, {line: shade})
            records = results.records[results.records["trial"].isin(runs["trial"])]
            if asked.until:
                records = records[records["step"] <= asked.until]
            if records.empty:  # a combination that the study leaves out, or that failed
                continue
            part.add(runs, records, colours[shade], markers[shade])
    _scale(axes[0], asked, [y for part in drawn for y in part.heights])
    for ax in axes:
        if ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel(asked.axis(trials))
        if ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel(asked.x)
    named = [(f"{label(line)} {value_text(v)}", colours[v], markers[v]) for v in lines]
    several = trials.groupby([*([panel] if panel else []), line], dropna=False)["seed"]
    tails = any(part.tails for part in drawn)
    endings = {status for part in drawn for status in part.endings}
    bands = several.nunique().max() > 1
    legend = _legend(named, asked, bands=bands, tails=tails, endings=endings)
    style.surround(figure, title, legend, footer)
    return figure


@dataclass
class _Panel:
    """One panel and what was drawn into it."""

    axes: Axes
    asked: _Asked
    heights: list[float] = field(default_factory=list)
    tails: bool = False
    endings: list[str] = field(default_factory=list)
    _at_edge: int = 0

    def add(self, trials: pd.DataFrame, records: pd.DataFrame, colour: Any, marker: str) -> None:
        """Draw one line: its trials differ in nothing but the seed."""
        for column, dashes in self.asked.columns.items():
            measured = records.dropna(subset=column)
            values = measured.pivot(index=["step", "epoch"], columns="trial", values=column).astype(
                float
            )
            values = values.where(np.isfinite(values)) * self.asked.scale
            if self.asked.average and column.startswith("train"):
                values = _averaged(values, self.asked.average)
            if not values.empty:
                self._mean(values, dashes, colour, marker, hollow=dashes != "-")
        ended = trials[trials["status"].isin(list(_ENDINGS))]
        for name, status in zip(ended["trial"], ended["status"], strict=True):
            curve = records[records["trial"] == name]
            if not self.asked.until or curve["diverged"].any() or status != "diverged":
                self._ending(curve, status, colour)

    def _mean(
        self, values: pd.DataFrame, dashes: str, colour: Any, marker: str, *, hollow: bool
    ) -> None:
        """The mean over seeds with its band, and the seeds that went on beyond it."""
        band = statistics.bands(values)
        at = band.index.get_level_values(self.asked.x)
        few = len(band) <= 30  # more points than that make markers a caterpillar
        self.axes.plot(
            at,
            band["mean"],
            dashes,
            color=colour,
            marker=marker if few else "",
            markerfacecolor="white" if hollow else colour,
        )
        self.heights += band["mean"].tolist()
        if values.shape[1] == 1:
            return
        self.axes.fill_between(at, band["low"], band["high"], color=colour, alpha=_BAND, lw=0)
        common = band.index[-1] if len(band) else values.index[0]
        for _, seed in values.items():
            tail = seed.loc[common:].dropna()
            if len(tail) > (1 if len(band) else 0):
                beyond = tail.index.get_level_values(self.asked.x)
                self.axes.plot(beyond, tail, dashes, color=colour, lw=0.8, alpha=0.8)
                self.heights += tail.tolist()
                self.tails = True

    def _ending(self, records: pd.DataFrame, status: str, colour: Any) -> None:
        marker, _ = _ENDINGS[status]
        last = records.sort_values("step").iloc[-1]
        quantity = self.asked.quantity
        column = f"train_{quantity}" if quantity in _IN_PARTS else quantity
        value = float(last[column]) * self.asked.scale
        transform = self.axes.transData
        if not np.isfinite(value):
            # Off the scale: at the top for a loss, at the bottom for an accuracy, each
            # further one beside the last so that none hides another.
            transform = self.axes.get_xaxis_transform()
            step = 0.07 * self._at_edge
            value = 0.03 + step if quantity == "accuracy" else 0.97 - step
            self._at_edge += 1
        else:
            self.heights.append(value)
        self.axes.plot(
            [last[self.asked.x]],
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


def _averaged(values: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Each value as the mean of those over the `steps` steps up to it; where fewer steps have
    been, over those. Raises `FigureError` if the records lie further apart."""
    at = values.index.get_level_values("step").to_numpy()
    gap = int(np.median(np.diff(at, prepend=0)))
    if gap > steps:
        raise FigureError(
            f"records every {gap:,} steps have no average over {steps:,}: set record_every={steps}"
        )
    return values.rolling(max(1, round(steps / gap)), min_periods=1).mean()


def _scale(axes: Axes, asked: _Asked, heights: Sequence[float]) -> None:
    """Scale the shared axes by the curves alone: an interval of two or three seeds may be
    many times as wide as all that there is to see."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=axes.get_xlim()[1] > 2))
    if not heights:  # every run diverged before its first value
        axes.set_yticks([])
        return
    low, high = min(heights), max(heights)
    quantity = asked.quantity
    wide = quantity != "accuracy" and low > 0 and high / low > 10
    if asked.log and low <= 0:
        low = min((y for y in heights if y > 0), default=1.0)
    if wide if asked.log is None else asked.log:
        axes.set_yscale("log")
        margin = max(1.25, (high / low) ** 0.03)
        axes.set_ylim(low / margin, high * margin)
        subs = (1, 2, 5) if high / low < 1e3 else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    margin = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    ceiling = 100 + margin / 2 if quantity == "accuracy" else np.inf
    floor = -margin / 2 if quantity in _IN_PARTS else -np.inf
    axes.set_ylim(max(low - margin, floor), min(high + margin, ceiling))


def _legend(
    lines: Sequence[tuple[str, Any, str]],
    asked: _Asked,
    *,
    bands: bool,
    tails: bool,
    endings: set[str],
) -> list[list[Artist]]:
    """The lines, then what else is in the figure: one entry for each."""
    named: list[Artist] = [
        Line2D([], [], color=colour, marker=marker, label=name) for name, colour, marker in lines
    ]
    others: list[Artist] = []
    if asked.quantity in _IN_PARTS and len(asked.parts) > 1:
        others = [
            Line2D(
                [],
                [],
                color=_GREY,
                marker="o",
                mfc=_GREY if part == "train" else "white",
                ls=_PARTS[part],
                label=_NAMES[part],
            )
            for part in asked.parts
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
    return [group for group in (named, others) if group]


def _left_out(trials: pd.DataFrame) -> list[str]:
    missing = int((~trials["status"].isin(COUNTED)).sum())
    if not missing:
        return []
    return [f"Not shown: {missing} of {counted(len(trials), 'trial')}, failed or unfinished."]
