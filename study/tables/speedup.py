"""Scaling: speed, speed-up and efficiency by the number of workers."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import compared, others, seconds_to
from study.tables.cells import named, over_repeats, workers_text


def make(results: Results, *, weak: bool, target: float = 0.95) -> pd.DataFrame:
    """A row per point of Ray's workers, of strong or of weak scaling: means over repeats with half
    of their 95% interval. Rates are of the mean step behind the warm-up, beside which stands the
    median. `target` is a validation accuracy in [0, 1]; the time to it is of training alone:
    start-up and evaluation are left out, and what the first steps took longer than others.

    No rows of weak scaling where there is nothing but one worker.
    """
    shown = compared(results, weak=weak)
    if shown.empty or shown["workers"].max() == 1:
        return pd.DataFrame()
    shown = shown.assign(target=seconds_to(results, shown, target))
    by = ["processor", "width", *others(results), "base_batch", "workers"]
    rows = []
    for key, inside in shown.groupby(by, dropna=False):
        cells = dict(zip(by, key, strict=True))
        rows.append(
            {
                "workers": workers_text(int(str(cells["workers"])), inside),
                **named(["processor", "width"], [cells["processor"], cells["width"]]),
                **named(others(results), [cells[name] for name in others(results)]),
                "batch": str(int(inside["batch"].iloc[0])),
                "samples/s": over_repeats(inside["samples_per_second"]),
                "steps/s": over_repeats(inside["steps_per_second"]),
                "median step, ms": over_repeats(1e3 * inside["median_seconds"]),
                "s per epoch": over_repeats(inside["epoch_seconds"]),
                f"s to {100 * target:g} %": over_repeats(inside["target"]),
                "speed-up": over_repeats(inside["speed_up"]),
                "efficiency": over_repeats(inside["efficiency"]),
            }
        )
    return pd.DataFrame(rows)
