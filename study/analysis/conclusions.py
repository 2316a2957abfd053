"""The conclusions of a scaling run: what was measured, and what the step-time model predicts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from study.analysis import step_model
from study.analysis.results import Results
from study.analysis.speedup import (
    UNDECIDED,
    break_even_batches,
    fit_step_model,
    format_repeats,
    has_mixed_placement,
    judge_speedups,
    other_varied_settings,
    smallest_batch,
    speedups,
)
from study.analysis.step_model import FittedModels, StepMeasurement
from study.analysis.wording import format_setting, label, pluralize


def conclusions(results: Results) -> list[str]:
    """Return the conclusions of a scaling run, one sentence each."""
    return [*measured_speedups(results), *_modeled(results)]


def measured_speedups(results: Results) -> list[str]:
    """Return a sentence on each number of workers that was run."""
    sentences = []
    varied = other_varied_settings(results)
    verdicts = judge_speedups(speedups(results, weak=False), varied)
    keys = ["processor", "workers", "oversubscribed"]
    for (processor, workers, is_oversubscribed), group in verdicts.groupby(keys, sort=False):
        findings = []
        for verdict, points in group.groupby("verdict", sort=False):
            listed = ", ".join(_describe_point(row, varied) for row in points.to_dict("records"))
            findings.append(f"{verdict} for {listed}")
        note = " (oversubscribed)" if is_oversubscribed else ""
        sentences.append(f"{workers} {processor} workers{note}, measured: {'; '.join(findings)}.")
    if (verdicts["verdict"] == UNDECIDED).any():
        reason = "one repeat has no interval"
        if results.trials["seed"].nunique() > 1:
            reason = (
                "the interval over repeats includes 1, no difference (95% for all points together)"
            )
        sentences.append(
            f"Undecided: {reason}; use more --repeats, on a machine without other work."
        )
    return sentences


def _describe_point(row: Mapping[Hashable, Any], varied: Sequence[str]) -> str:
    others = "".join(f", {label(name)} {format_setting(name, row[name])}" for name in varied)
    return f"width {row['width']} at batch {row['batch']}{others} ({row['speedup']:.2f} times)"


def _modeled(results: Results) -> list[str]:
    """Return how well the model fits and what it predicts, or why there is no model."""
    varied = other_varied_settings(results)
    if varied:
        return [
            f"No model of the step's time: it knows nothing of {' and '.join(map(label, varied))}, "
            "which takes several values in this run (give one)."
        ]
    if has_mixed_placement(results):
        return [
            "No model of the step's time: the workers were on one machine in some runs and on "
            "several in others, where messages take another time (use --placement spread, or fewer "
            "--workers)."
        ]
    model = fit_step_model(results)
    if model is None:
        return [
            "No model of the step's time: it needs four points that are not oversubscribed, two of "
            "them of several workers (add --widths or --weak)."
        ]
    repeats, held_out, fitted = model
    return [
        *_errors(repeats, fitted, held_out),
        *_slowdowns(fitted),
        *_break_even(repeats[0], fitted),
    ]


def _slowdowns(fitted: FittedModels) -> list[str]:
    """Return a sentence on each slowdown that was measured in all repeats."""
    measured = set.intersection(*(set(model.slowdowns) for model in fitted.models))
    sentences = []
    for workers in sorted(measured):
        slowdowns = [model.slowdown(workers) for model in fitted.models]
        sentences.append(
            f"Each of {workers} workers computes {format_repeats(slowdowns, '{:.2f}'.format)} "
            "times as long as one that is alone with as many samples."
        )
    return sentences


def _errors(
    repeats: step_model.Repeats, fitted: FittedModels, held_out: Sequence[step_model.Workload]
) -> list[str]:
    """Return sentences on the errors on held-out points and at the largest number of workers."""
    fitted_on = pluralize(len(fitted.fitted_on), "point")
    accuracy = (
        f"The model of the step's time, fitted on {fitted_on}, is tested on no other: too few were "
        "run."
    )
    if held_out:
        errors = _describe_errors(step_model.relative_errors(fitted, repeats, held_out))
        accuracy = (
            f"The model of the step's time, fitted on {fitted_on}, is off by {errors} on the "
            f"{pluralize(len(held_out), 'point')} that it was not fitted on."
        )
    extrapolation = step_model.extrapolation_errors(repeats)
    if extrapolation is None:
        return [
            accuracy,
            "How far it can be trusted for more workers than were run is not known: that would be "
            "tested by fitting it without the most workers, which leaves too few points here (use "
            "more numbers of --workers).",
        ]
    most, errors_of_most = extrapolation
    return [
        accuracy,
        f"Fitted without the runs of {most} workers, the most there are, it is off by "
        f"{_describe_errors(errors_of_most)} on these.",
    ]


def _describe_errors(errors: Sequence[Sequence[float]]) -> str:
    """Describe relative errors by repeat: `5 % ± 2 % on the mean and by 9 % at the most`."""
    sizes = 100 * np.abs(np.asarray(errors))
    mean = format_repeats(sizes.mean(axis=1), lambda value: f"{value:.0f} %")
    return f"{mean} on the mean and by {sizes.max():.0f} % at the most"


def _break_even(measurements: Sequence[StepMeasurement], fitted: FittedModels) -> list[str]:
    """Return a sentence on the break-even batch of each number of workers.

    `measurements`: all measurements of one repeat, fitted on or held out.
    """
    nets = sorted({(m.width, m.gradient_bytes) for m in measurements})
    smallest = smallest_batch(measurements)
    sentences = []
    for workers in sorted({2, 4} | {m.workers for m in measurements if m.workers > 1}):
        determined = [net for net in nets if fitted.determines_break_even(workers, *net)]
        if not determined:
            sentences.append(
                f"No break-even batch of {workers} workers: the points fitted on, of so few widths "
                "and numbers of workers, do not tell what each message costs from what each byte "
                "does, or a sample from a step (add --widths, --weak or numbers of --workers)."
            )
            continue
        batches = {net[0]: break_even_batches(fitted, workers, *net) for net in determined}
        basis = "by the model"
        if any(np.mean(values) < smallest for values in batches.values()):
            basis = f"prediction: some of it is below {smallest}, the smallest batch that was run"
        if not any(m.workers == workers for m in measurements):
            basis = (
                "prediction: so many were not run with a processor each, and may slow each other "
                "down more"
            )
        sentences.append(
            f"{workers} workers are faster than one {_describe_batches(batches)} ({basis})."
        )
    return sentences


def _describe_batches(by_width: Mapping[int, Sequence[float]]) -> str:
    """Return `from these batches on: 64 ± 2 at width 1; at no batch at width 2`."""
    finite, infinite = [], []
    for width, batches in by_width.items():
        never = sum(map(math.isinf, batches))
        if not never:
            batch = format_repeats(batches, lambda value: f"{value:,.0f}")
            finite.append(f"{batch} at width {width}")
        elif never == len(batches):
            infinite.append(f"at width {width}")
        else:
            repeats = pluralize(len(batches), "repeat")
            infinite.append(f"at width {width} by {never} of {repeats}, so that is not settled")
    clauses = [f"from these batches on: {', '.join(finite)}"] if finite else []
    if infinite:
        clauses.append(f"at no batch {', '.join(infinite)}")
    return "; ".join(clauses)
