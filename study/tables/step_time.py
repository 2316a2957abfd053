"""Step time: the model of a step's seconds against what was measured, and its predictions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from study.analysis.results import Results
from study.analysis.scaling import Point, StepTime, fit, points, relative_error, split


def make(results: Results, *, predicted: Sequence[int] = (4, 8)) -> pd.DataFrame:
    """A row per measured point, those that the model was fitted on and those held out, and then
    the numbers of workers `predicted` that were not run, marked so, at the batch of strong
    scaling: predictions are for workers with a processor each.

    No rows where there are too few points to fit.
    """
    measured = points(results)
    fitted, held_out = split(measured)
    model = fit(fitted)
    if model is None:
        return pd.DataFrame()
    rows = [
        _cells(model, p, kind)
        for p, kind in [*((p, "fitted on") for p in fitted), *((p, "held out") for p in held_out)]
    ]
    ran = {p.workers for p in measured}
    for single in (p for p in measured if p.workers == 1):
        for workers in (n for n in predicted if n not in ran):
            step = model.step(workers, single.batch, single.width, single.gradient_bytes)
            speed_up = model.speed_up(workers, single.batch, single.width, single.gradient_bytes)
            rows.append(
                {
                    **_place(workers, single),
                    "measured ms": "not run",
                    "model ms": f"{1e3 * step:.3g}",
                    "error %": "-",
                    "speed-up by the model": f"{speed_up:.2f}",
                    "kind": "prediction",
                }
            )
    return pd.DataFrame(rows)


def _cells(model: StepTime, p: Point, kind: str) -> dict[str, str]:
    step = model.step(p.workers, p.batch, p.width, p.gradient_bytes)
    speed_up = model.speed_up(p.workers, p.batch, p.width, p.gradient_bytes)
    return {
        **_place(p.workers, p),
        "measured ms": f"{1e3 * p.step:.3g}",
        "model ms": f"{1e3 * step:.3g}",
        "error %": f"{100 * relative_error(model, p):+.1f}",
        "speed-up by the model": f"{speed_up:.2f}",
        "kind": kind,
    }


def _place(workers: int, p: Point) -> dict[str, str]:
    return {"width": str(p.width), "batch": str(p.batch), "workers": str(workers)}
