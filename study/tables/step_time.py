"""Step time: the model of a step's seconds against what was measured, and its predictions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import format_interval, fit_step_model
from study.analysis.step_model import FittedModels, StepMeasurement, StepTime, relative_error


def make(results: Results, *, predicted: Sequence[int] = (4, 8)) -> pd.DataFrame:
    """A row per measured point, those that the model was fitted on and those held out, and then
    the numbers of workers `predicted` that were not run, marked so, at the batch of strong
    scaling: predictions are for workers with a processor each. What is measured and what the model
    says, fitted to each repeat by itself, are means over repeats with half of their 95% interval;
    beside the measured mean step stands the median.

    No rows where there are too few points to fit, and no predictions that they do not settle
    (see `step_model.Fitted`).
    """
    model = fit_step_model(results)
    if model is None:
        return pd.DataFrame()
    measured, places, fitted = model
    ordered = sorted(zip(*measured, strict=True), key=lambda each: each[0].place in places)
    rows = [
        _measured(fitted, each, "held out" if each[0].place in places else "fitted on")
        for each in ordered
    ]
    ran = {p.workers for p in measured[0]}
    for single in (p for p in measured[0] if p.workers == 1):
        for workers in (n for n in predicted if n not in ran):
            if fitted.determines_step(workers, single.batch, single.width, single.gradient_bytes):
                rows.append(_prediction(fitted, workers, single))
    return pd.DataFrame(rows)


def _measured(fitted: FittedModels, each: Sequence[StepMeasurement], kind: str) -> dict[str, str]:
    """`each` is one point as the repeats measured it."""
    errors = [100 * relative_error(model, p) for model, p in zip(fitted.models, each, strict=True)]
    error = format_interval(errors, "{:.1f}".format)
    signed = error if error.startswith("-") else f"+{error}"
    return {
        **_place(each[0].workers, each[0]),
        "measured ms": format_interval([1e3 * p.step for p in each], "{:.3g}".format),
        "median ms": format_interval([1e3 * p.median for p in each], "{:.3g}".format),
        **_modelled(fitted, each[0].workers, each[0], signed),
        "kind": kind,
    }


def _prediction(fitted: FittedModels, workers: int, single: StepMeasurement) -> dict[str, str]:
    return {
        **_place(workers, single),
        "measured ms": "not run",
        "median ms": "not run",
        **_modelled(fitted, workers, single, "-"),
        "kind": "prediction",
    }


def _modelled(fitted: FittedModels, workers: int, p: StepMeasurement, error: str) -> dict[str, str]:
    def milliseconds(model: StepTime) -> float:
        return 1e3 * model.step(workers, p.batch, p.width, p.gradient_bytes)

    def speed_up(model: StepTime) -> float:
        return model.speed_up(workers, p.batch, p.width, p.gradient_bytes)

    return {
        "model ms": format_interval(fitted.each(milliseconds), "{:.3g}".format),
        "error %": error,
        "speed-up by the model": format_interval(fitted.each(speed_up), "{:.2f}".format),
    }


def _place(workers: int, p: StepMeasurement) -> dict[str, str]:
    return {"width": str(p.width), "batch": str(p.batch), "workers": str(workers)}
