"""Table: predictions of the step-time model beside measured steps."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import fit_step_model, format_repeats
from study.analysis.statistics import UNBOUNDED
from study.analysis.step_model import FittedModels, StepMeasurement, StepTime, relative_error


def make(results: Results, *, predicted: Sequence[int] = (4, 8)) -> pd.DataFrame:
    """Return a row per measured workload, then rows for numbers of workers that were not run.

    Measured workloads are those that the model was fitted on, then those held out. The numbers of
    workers in `predicted` have the batches of one worker, and a processor per worker. The model is
    fitted to each repeat separately, and cells are means over repeats with 95% intervals. The
    median step has its own column.

    Empty if there are too few measurements to fit. Predictions that the fits do not determine are
    omitted (see `study.analysis.step_model.FittedModels`).
    """
    model = fit_step_model(results)
    if model is None:
        return pd.DataFrame()
    repeats, held_out, fitted = model
    by_workload = sorted(
        zip(*repeats, strict=True), key=lambda group: group[0].workload in held_out
    )
    rows = [
        _measured(fitted, group, "held out" if group[0].workload in held_out else "fitted on")
        for group in by_workload
    ]
    measured_workers = {m.workers for m in repeats[0]}
    for single in (m for m in repeats[0] if m.workers == 1):
        for workers in (n for n in predicted if n not in measured_workers):
            if fitted.determines_step(workers, single.batch, single.width, single.gradient_bytes):
                rows.append(_predicted(fitted, workers, single))
    return pd.DataFrame(rows)


def _measured(fitted: FittedModels, group: Sequence[StepMeasurement], kind: str) -> dict[str, str]:
    """Return the row of one workload; `group` has its measurement of each repeat."""
    workload = group[0]
    errors = [100 * relative_error(model, m) for model, m in zip(fitted.models, group, strict=True)]
    error = format_repeats(errors, "{:.1f}".format, UNBOUNDED)
    return {
        **_workload_cells(workload.workers, workload),
        "measured ms": format_repeats([1e3 * m.step_seconds for m in group], "{:.3g}".format),
        "median ms": format_repeats([1e3 * m.median_seconds for m in group], "{:.3g}".format),
        **_model_cells(
            fitted, workload.workers, workload, error if error.startswith("-") else f"+{error}"
        ),
        "kind": kind,
    }


def _predicted(fitted: FittedModels, workers: int, single: StepMeasurement) -> dict[str, str]:
    return {
        **_workload_cells(workers, single),
        "measured ms": "not run",
        "median ms": "not run",
        **_model_cells(fitted, workers, single, "-"),
        "kind": "prediction",
    }


def _workload_cells(workers: int, m: StepMeasurement) -> dict[str, str]:
    return {"width": str(m.width), "batch": str(m.batch), "workers": str(workers)}


def _model_cells(
    fitted: FittedModels, workers: int, m: StepMeasurement, error: str
) -> dict[str, str]:
    def milliseconds(model: StepTime) -> float:
        return 1e3 * model.step_seconds(workers, m.batch, m.width, m.gradient_bytes)

    def speedup(model: StepTime) -> float:
        return model.speedup(workers, m.batch, m.width, m.gradient_bytes)

    return {
        "model ms": format_repeats(fitted.per_repeat(milliseconds), "{:.3g}".format),
        "error %": error,
        "speed-up by the model": format_repeats(fitted.per_repeat(speedup), "{:.2f}".format),
    }
