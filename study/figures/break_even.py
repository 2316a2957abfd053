"""Break-even batch size: from which batch, by width of the net, several workers beat one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import (
    FASTER,
    NOT_FASTER,
    UNDECIDED,
    break_even_batches,
    fit_step_model,
    judge_speedups,
    scaling_trials,
    smallest_batch,
    speedups,
)
from study.analysis.step_model import FittedModels, StepMeasurement
from study.figures import style
from study.figures.workers import footer

_FILL: dict[str, Any] = {FASTER: "full", UNDECIDED: "left", NOT_FASTER: "none"}


@dataclass(frozen=True)
class _Line:
    """The break-even batch of one number of workers, by the model."""

    widths: Sequence[int]
    batches: Sequence[statistics.Mean]
    """the batch at each width, over repeats"""
    is_prediction: bool
    """whether this number of workers, or a batch this small, was not measured"""

    @property
    def dashes(self) -> str:
        return "--" if self.is_prediction else "-"


def draw(results: Results, title: str, *, workers: Sequence[int] = (2, 4, 8)) -> dict[str, Figure]:
    """Draw the batch above which several workers are faster than one, by width of the net.

    Lines are the model's, for `workers` and the numbers that were measured: means over the fits to
    each repeat, with 95% intervals. Predictions are dashed; lines that the measurements do not
    determine are missing. Marks are strong scaling as measured: filled if faster than one worker,
    empty if not, half filled if undecided.

    Returns: one figure, keyed by an empty suffix; none if there is a single width, or if the model
        cannot be fitted because there are too few points or other settings vary.
    """
    model = fit_step_model(results)
    if model is None:
        return {}
    repeats, _, fitted = model
    measured = repeats[0]
    widths = sorted({point.width for point in measured})
    if len(widths) < 2:
        return {}
    verdicts = judge_speedups(speedups(results, weak=False))
    counts = sorted({*workers, *verdicts["workers"]})
    modeled = {n: _line(measured, fitted, n) for n in counts}
    lines = {n: line for n, line in modeled.items() if line is not None}
    without_line = [n for n in counts if n not in lines]
    with style.styled():
        figure, (axes,) = style.panels(1)
        figure.set_size_inches(7.6, 4.4)
        colors, markers = style.colors(counts), style.markers(counts)
        for n, line in lines.items():
            means = [batch.mean for batch in line.batches]
            axes.plot(line.widths, means, line.dashes, color=colors[n])
        _mark(axes, verdicts, colors, markers)
        axes.set_xscale("log")
        axes.set_yscale("log")
        has_bands = bool(lines) and len(fitted.models) > 1
        if has_bands:
            _add_bands(axes, lines, colors)
        style.plain_log_ticks(axes.xaxis)
        axes.xaxis.set_major_locator(FixedLocator(widths))
        style.plain_log_ticks(axes.yaxis)
        axes.set_xlabel("width of the net (factor on channels and hidden units)")
        axes.set_ylabel("global batch size (samples)")
        legend = _legend(lines, verdicts, colors, markers, has_bands=has_bands)
        notes = _notes(verdicts, without_line)
        style.finish(figure, title, [legend], footer(results, scaling_trials(results), notes))
    return {"": figure}


def _line(measured: Sequence[StepMeasurement], fitted: FittedModels, workers: int) -> _Line | None:
    """Return the line of this number of workers, or None if no width has a break-even batch."""
    gradient_bytes = {point.width: point.gradient_bytes for point in measured}
    widths = [
        w for w, size in gradient_bytes.items() if fitted.determines_break_even(workers, w, size)
    ]
    widths.sort()
    batches = [_mean(break_even_batches(fitted, workers, w, gradient_bytes[w])) for w in widths]
    if all(math.isnan(batch.mean) for batch in batches):
        return None
    was_run = any(point.workers == workers for point in measured)
    below = any(batch.mean < smallest_batch(measured) for batch in batches)
    return _Line(widths, batches, is_prediction=below or not was_run)


def _mean(batches: Sequence[float]) -> statistics.Mean:
    """Return the mean over repeats.

    It is missing if, in any repeat, no batch is faster with several workers, or every batch is: a
    logarithmic axis has no 0.
    """
    return statistics.mean(
        (b if b > 0 and math.isfinite(b) else math.nan for b in batches), statistics.NON_NEGATIVE
    )


def _mark(
    axes: Axes, verdicts: pd.DataFrame, colors: Mapping[int, Any], markers: Mapping[int, str]
) -> None:
    """Mark the measured points, side by side where several numbers of workers were run."""
    counts = sorted(verdicts["workers"].unique())
    for row in verdicts.to_dict("records"):
        n = int(row["workers"])
        axes.plot(
            [row["width"] * 1.06 ** (counts.index(n) - (len(counts) - 1) / 2)],
            [row["batch"]],
            markers[n],
            ms=8,
            color=colors[n],
            mfcalt="white",
            fillstyle=_FILL[row["verdict"]],
        )


def _add_bands(axes: Axes, lines: Mapping[int, _Line], colors: Mapping[int, Any]) -> None:
    """Draw the intervals of the lines."""
    for n, line in lines.items():
        axes.fill_between(
            line.widths,
            [batch.low for batch in line.batches],
            [batch.high for batch in line.batches],
            color=colors[n],
            alpha=style.BAND_ALPHA,
            lw=0,
        )


def _legend(
    lines: Mapping[int, _Line],
    verdicts: pd.DataFrame,
    colors: Mapping[int, Any],
    markers: Mapping[int, str],
    *,
    has_bands: bool,
) -> list[Artist]:
    legend: list[Artist] = []
    for n, color in colors.items():
        if n in lines:
            kind = "prediction" if lines[n].is_prediction else "model"
            legend.append(style.entry(f"{n} workers, {kind}", color=color, line=lines[n].dashes))
        elif n in set(verdicts["workers"]):
            text = f"{n} workers, no line"
            legend.append(style.entry(text, color=color, marker=markers[n], size=7))
    legend += [
        style.entry(f"measured: {verdict}", marker="o", size=7, mfcalt="white", fillstyle=fill)
        for verdict, fill in _FILL.items()
        if verdict in set(verdicts["verdict"])
    ]
    return legend + ([style.band_entry("95% interval of a line")] if has_bands else [])


def _notes(verdicts: pd.DataFrame, without_line: Sequence[int]) -> str:
    sentences = [
        "Above a line, the model predicts that this number of workers beats one, if each has its "
        "own processor. For worker counts that were not run, it assumes the slowdown measured at "
        "the next smaller count. Verdicts on the marks follow from intervals over repeats (95% "
        "for all marks together)."
    ]
    if without_line:
        counts = " and ".join(map(str, without_line))
        sentences.append(
            f"No line for {counts} workers: the model has no break-even batch, or the measurements "
            "do not determine it."
        )
    oversubscribed = sorted(verdicts.loc[verdicts["oversubscribed"], "workers"].unique())
    if oversubscribed:
        counts = " and ".join(map(str, oversubscribed))
        sentences.append(f"The marks of {counts} workers are oversubscribed.*")
    return " ".join(sentences)
