"""A run that compares workers, in the page: speedup, times, and what a step's time goes into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lenet.records import PHASES
from study.analysis.results import Results, select
from study.analysis.speedup import (
    other_varied_settings,
    ray_trials,
    scaling_trials,
    smallest_workload,
    speedups,
)
from study.analysis.wording import describe_settings
from study.report.page.series import over_repeats, places

_TIMES = {
    "samples_per_second": "samples per second",
    "train_seconds": "training seconds",
    "total_seconds": "seconds of the whole program",
}
_STAR = "* more workers than CPUs."


def describe(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the figures for which the run has data."""
    if scaling_trials(results).empty:
        return
    if speedup := _speedup(results):
        yield speedup
    yield _times(results)
    yield _shares(results)


def _place_names(trials: pd.DataFrame) -> tuple[list[tuple[str, int]], list[str]]:
    """Return each processor with its numbers of workers, and their names."""
    keys = sorted(set(trials[["processor", "workers"]].itertuples(index=False, name=None)))
    names = []
    for processor, workers in keys:
        inside = select(trials, {"processor": processor, "workers": workers})
        star = "*" if inside["oversubscribed"].any() else ""
        names.append(f"{workers} {processor.upper()}{star}")
    return keys, names


def _lines(
    trials: pd.DataFrame, keys: list[tuple[str, int]], line: list[str], quantity: str
) -> list[dict[str, Any]]:
    """Return a series per combination of the settings `line`, over the places `keys`."""
    described = []
    for values, inside in trials.groupby(line, dropna=False):
        settings = dict(zip(line, values, strict=True))
        names = [value for value in settings.values() if isinstance(value, str)]
        numbers = {name: v for name, v in settings.items() if not isinstance(v, str)}
        groups = []
        for i, (processor, workers) in enumerate(keys):
            repeats = select(inside, {"processor": processor, "workers": workers})[quantity]
            if repeats.notna().any():
                groups.append((float(i), repeats.dropna()))
        if groups:
            name = ", ".join([*names, *([describe_settings(numbers)] if numbers else [])])
            described.append(over_repeats(name, groups, quantity))
    return described


def _speedup(results: Results) -> dict[str, Any] | None:
    variants = []
    for weak in (False, True):
        trials = speedups(results, weak=weak)
        if trials.empty or trials["workers"].nunique() < 2:
            continue
        keys, names = _place_names(trials)
        line = ["width", "base_batch", *other_varied_settings(results)]
        for quantity in ("speedup", "efficiency"):
            variants.append(
                {
                    "label": f"{'weak' if weak else 'strong'} scaling, {quantity}",
                    "x": places(names, "workers"),
                    "y": {"label": quantity, "kind": "linear", "zero": True},
                    "panels": [{"title": "", "series": _lines(trials, keys, line, quantity)}],
                }
            )
    if not variants:
        return None
    note = (
        "Samples per second over those of one worker in the same repeat; means over repeats with "
        "95% intervals. Strong: the workers share one worker's batch. Weak: each has its own "
        f"batch. {_STAR}"
    )
    return {"id": "speedup", "title": "Speedup", "note": note, "variants": variants}


def _times(results: Results) -> dict[str, Any]:
    trials = smallest_workload(scaling_trials(results))
    trials = trials[trials["status"] != "diverged"]
    keys, names = _place_names(trials)
    line = ["launcher", "strategy", *other_varied_settings(results)]
    variants = [
        {
            "label": text,
            "x": places(names, "workers"),
            "y": {"label": text, "kind": "linear", "zero": True},
            "panels": [{"title": "", "series": _lines(trials, keys, line, quantity)}],
        }
        for quantity, text in _TIMES.items()
        if quantity in trials and trials[quantity].notna().any()
    ]
    width, batch = int(trials["width"].iloc[0]), int(trials["batch_size"].iloc[0])
    note = (
        f"The smallest workload (width {width}, batch size {batch}), by what started the workers; "
        f"means over repeats with 95% intervals. {_STAR}"
    )
    return {"id": "times", "title": "Times and speed", "note": note, "variants": variants}


def _shares(results: Results) -> dict[str, Any]:
    trials = ray_trials(scaling_trials(results))
    bar = ["processor", "workers", "batch"]
    keys = sorted(set(trials[bar].itertuples(index=False, name=None)))
    star = trials.groupby(bar)["oversubscribed"].any()
    names = [f"{n} {p.upper()}{'*' if star[p, n, b] else ''}, {b}" for p, n, b in keys]
    panels = []
    for width, inside in trials.groupby("width"):
        described = []
        for phase in PHASES:
            groups = []
            for i, key in enumerate(keys):
                here = select(inside, dict(zip(bar, key, strict=True)))
                if len(here):
                    shares = here.groupby("seed")[f"{phase}_share"].mean()
                    groups.append((float(i), shares))
            described.append(over_repeats(phase, groups, f"{phase}_share", mode="points"))
        panels.append({"title": f"width {width}", "series": described})
    variant = {
        "label": "all",
        "x": places(names, "workers, batch"),
        "y": {"label": "share", "percent": True, "kind": "linear", "zero": True},
        "panels": panels,
    }
    note = (
        "Shares of data, computation and communication in the time of a step, over all workers; "
        f"communication is what the backward pass does not hide. {_STAR}"
    )
    title = "Where a step's time goes"
    return {"id": "shares", "title": title, "note": note, "variants": [variant]}
