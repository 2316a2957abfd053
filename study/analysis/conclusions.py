"""A scaling run in plain words: what was measured, and what the model of a step says of it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from study.analysis import step_model
from study.analysis.results import Results
from study.analysis.speedup import (
    UNDECIDED,
    break_even,
    compared,
    interval,
    judged,
    modelled,
    near_and_far,
    others,
    smallest_batch,
)
from study.analysis.step_model import Fitted, Point
from study.analysis.wording import counted, label, value_text


def conclusions(results: Results) -> list[str]:
    """What a person would say of the run, a sentence each."""
    return [*_said_of_workers(results), *_said_of_model(results)]


def _said_of_workers(results: Results) -> list[str]:
    """What was measured, a sentence by number of workers."""
    said = []
    varied = others(results)
    verdicts = judged(compared(results, weak=False), varied)
    keys = ["processor", "workers", "oversubscribed"]
    for (processor, workers, crowded), inside in verdicts.groupby(keys, sort=False):
        parts = []
        for verdict, of_it in inside.groupby("verdict", sort=False):
            each = ", ".join(_place_in_words(row, varied) for row in of_it.to_dict("records"))
            parts.append(f"{verdict} for {each}")
        crowd = " (oversubscribed)" if crowded else ""
        said.append(f"{workers} {processor} workers{crowd}, measured: {'; '.join(parts)}.")
    if (verdicts["verdict"] == UNDECIDED).any():
        several = results.trials["seed"].nunique() > 1
        why = "one repeat has no interval"
        if several:
            why = (
                "the interval over repeats includes 1, no difference (95% for all points together)"
            )
        said.append(f"Undecided: {why}; use more --repeats, on a machine without other work.")
    return said


def _place_in_words(row: Mapping[Hashable, Any], varied: Sequence[str]) -> str:
    also = "".join(f", {label(name)} {value_text(row[name])}" for name in varied)
    return f"width {row['width']} at batch {row['batch']}{also} ({row['speed_up']:.2f} times)"


def _said_of_model(results: Results) -> list[str]:
    """How well the model fits, and what it says; or why there is none."""
    varied = others(results)
    if varied:
        return [
            f"No model of the step's time: it knows nothing of {' and '.join(map(label, varied))}, "
            "which takes several values in this run (give one)."
        ]
    if near_and_far(results):
        return [
            "No model of the step's time: the workers were on one machine in some runs and on "
            "several in others, where messages take another time (use --placement spread, or fewer "
            "--workers)."
        ]
    model = modelled(results)
    if model is None:
        return [
            "No model of the step's time: it needs four points that are not oversubscribed, two of "
            "them of several workers (add --widths or --weak)."
        ]
    measured, places, fitted = model
    return [
        *_said_of_errors(measured, fitted, places),
        *_said_of_slowing(fitted),
        *_said_of_break_even(measured[0], fitted),
    ]


def _said_of_slowing(fitted: Fitted) -> list[str]:
    """How much longer several workers compute, where it was measured in all repeats."""
    measured_in_all = set.intersection(*(set(model.slow_downs) for model in fitted.models))
    said = []
    for workers in sorted(measured_in_all):
        each = [model.slow_down(workers) for model in fitted.models]
        times = interval(each, "{:.2f}".format)
        said.append(
            f"Each of {workers} workers computes {times} times as long as one that is alone with "
            "as many samples."
        )
    return said


def _said_of_errors(
    measured: step_model.Repeats, fitted: Fitted, places: Sequence[step_model.Place]
) -> list[str]:
    on = counted(len(fitted.on), "point")
    said = f"The model of the step's time, fitted on {on}, is tested on no other: too few were run."
    if places:
        missed = _errors_in_words(step_model.errors(fitted, measured, places))
        said = (
            f"The model of the step's time, fitted on {on}, is off by {missed} on the "
            f"{counted(len(places), 'point')} that it was not fitted on."
        )
    beyond = step_model.extrapolated(measured)
    if beyond is None:
        return [
            said,
            "How far it can be trusted for more workers than were run is not known: that would be "
            "tested by fitting it without the most workers, which leaves too few points here (use "
            "more numbers of --workers).",
        ]
    most, missed_by = beyond
    return [
        said,
        f"Fitted without the runs of {most} workers, the most there are, it is off by "
        f"{_errors_in_words(missed_by)} on these.",
    ]


def _errors_in_words(errors: Sequence[Sequence[float]]) -> str:
    """Of relative errors by repeat: `5 % ± 2 % on the mean and by 9 % at the most`."""
    sizes = 100 * np.abs(np.asarray(errors))
    mean = interval(sizes.mean(axis=1), lambda value: f"{value:.0f} %")
    return f"{mean} on the mean and by {sizes.max():.0f} % at the most"


def _said_of_break_even(measured: Sequence[Point], fitted: Fitted) -> list[str]:
    """`measured` are all points of a repeat, fitted on or not."""
    sizes = sorted({(p.width, p.gradient_bytes) for p in measured})
    smallest = smallest_batch(measured)
    said = []
    for workers in sorted({2, 4} | {p.workers for p in measured if p.workers > 1}):
        told = [place for place in sizes if fitted.tells_break_even(workers, *place)]
        if not told:
            said.append(
                f"No break-even batch of {workers} workers: the points fitted on, of so few widths "
                "and numbers of workers, do not tell what each message costs from what each byte "
                "does, or a sample from a step (add --widths, --weak or numbers of --workers)."
            )
            continue
        batches = {place[0]: break_even(fitted, workers, *place) for place in told}
        what = "by the model"
        if any(np.mean(each) < smallest for each in batches.values()):
            what = f"prediction: some of it is below {smallest}, the smallest batch that was run"
        if not any(p.workers == workers for p in measured):
            what = (
                "prediction: so many were not run with a processor each, and may slow each other "
                "down more"
            )
        said.append(f"{workers} workers are faster than one {_batches_in_words(batches)} ({what}).")
    return said


def _batches_in_words(by_width: Mapping[int, Sequence[float]]) -> str:
    """`from these batches on: 64 ± 2 at width 1; at no batch at width 2`."""
    parts, never = [], []
    for width, batches in by_width.items():
        if not any(map(math.isinf, batches)):
            parts.append(f"{interval(batches, lambda value: f'{value:,.0f}')} at width {width}")
            continue
        some = sum(map(math.isinf, batches))
        of_all = f" by {some} of {counted(len(batches), 'repeat')}, so that is not settled"
        fits = "" if some == len(batches) else of_all
        never.append(f"at width {width}{fits}")
    said = [f"from these batches on: {', '.join(parts)}"] if parts else []
    return "; ".join([*said, *([f"at no batch {', '.join(never)}"] if never else [])])
