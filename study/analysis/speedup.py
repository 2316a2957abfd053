"""Scaling: what several workers are worth, measured and by a model of a step's time.

The trials of a scaling run have, beside their settings, the columns `launch` (which workers
trained it), `launcher` (one of `LAUNCHERS`), `processor` (cpu, gpu), `workers`,
`oversubscribed`, `machines` (how many these workers were on; older runs lack it),
`gradient_bytes`, `load_average` (of the machine when it began), and of their launch's start
`ray_seconds` (Ray and the data, once for all launches), `launch_seconds` (until the first worker
runs: processes and imports; missing where an attempt before it crashed), `group_seconds` (the
process group) and `load_seconds` (the data, in the worker).
A repeat is a seed.

Rates are of the mean step behind the warm-up (see `study.analysis.step_seconds`), and of the batch
that was trained with: one larger than the training samples is cut to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from study.analysis import statistics, step_model, step_seconds
from study.analysis.results import Results
from study.analysis.step_model import Fitted, Point

POINT = ("processor", "launcher", "workers", "width", "batch_size")
LAUNCHERS = ("ray", "torchrun", "plain", "dataparallel")
"""Ray Train's TorchTrainer; torch's own launcher; one process without either; one process that
drives several GPUs (`torch.nn.DataParallel`)."""

START_UP = ("ray_seconds", "launch_seconds", "group_seconds", "load_seconds")


def is_scaling(results: Results) -> bool:
    """Whether the trials of this run tell numbers of workers apart."""
    return "workers" in results.trials


def others(results: Results) -> list[str]:
    """The settings that vary beside the batch size and the width: never averaged over."""
    return [name for name in results.varied if name not in POINT]


def runs(results: Results) -> pd.DataFrame:
    """The trials with a result, with `batch`, the samples of a step over all workers; what their
    steps took (the columns of `step_seconds.typical`); `samples_per_second` and
    `steps_per_second`; and `epoch_seconds`."""
    if not is_scaling(results) or results.timings.empty:
        return pd.DataFrame()
    # A trial that failed before it began has no launch, one whose records are damaged no samples.
    trials = results.counted.dropna(subset=["workers", "samples", "epoch"]).copy()
    trials["workers"] = trials["workers"].astype(int)
    trials["oversubscribed"] = trials["oversubscribed"].astype(bool)
    # An epoch's samples, by the record: the config does not say how many there are.
    epoch = (trials["samples"] / trials["epoch"]).round().astype(int)
    trials["batch"] = np.minimum(trials["batch_size"], epoch)
    timings = dict(tuple(results.timings.groupby("trial")))
    measured = [
        step_seconds.typical(timings[trial], samples, batch) if trial in timings else {}
        for trial, samples, batch in zip(trials["trial"], epoch, trials["batch"], strict=True)
    ]
    took = pd.DataFrame(measured, index=trials.index)
    trials[list(took.columns)] = took
    trials["steps_per_second"] = 1 / trials["step_seconds"]
    trials["samples_per_second"] = trials["batch"] * trials["steps_per_second"]
    trials["epoch_seconds"] = epoch / trials["samples_per_second"]
    return trials


def narrowest(trained: pd.DataFrame) -> pd.DataFrame:
    """Of `runs`, the narrowest net with the smallest batch: what all launchers train."""
    if trained.empty:
        return trained
    smallest = trained[trained["width"] == trained["width"].min()]
    return smallest[smallest["batch_size"] == smallest["batch_size"].min()]


def compared(results: Results, *, weak: bool) -> pd.DataFrame:
    """The runs of Ray's workers of strong scaling (the batch of one worker, shared), or of weak
    scaling (that batch for each worker), with `base_batch`, and with `speed_up` and `efficiency`
    against one worker of the same repeat.

    The speed-up is that of the samples per second; efficiency is that by worker: T1 / (N TN) of
    strong scaling and T1 / TN of weak. A batch that could not grow with the workers, since there
    are no more training samples, is no weak scaling.
    """
    trained = runs(results)
    if trained.empty:
        return trained
    trained = trained[trained["launcher"] == "ray"]
    trained = trained.assign(
        base_batch=trained["batch_size"] // (trained["workers"] if weak else 1)
    )
    keys = ["processor", "width", *others(results), "seed"]
    single = trained[trained["workers"] == 1]
    base = single[[*keys, "batch_size", "batch", "samples_per_second"]].rename(
        columns={
            "batch_size": "base_batch",
            "batch": "batch_of_one",
            "samples_per_second": "of_one",
        }
    )
    # What has no run of one worker to be compared with is of the other kind of scaling.
    paired = trained.merge(base, on=[*keys, "base_batch"], how="inner")
    asked = paired["batch_of_one"] * (paired["workers"] if weak else 1)
    paired = paired[paired["batch"] == asked].copy()
    paired["speed_up"] = paired["samples_per_second"] / paired["of_one"]
    paired["efficiency"] = paired["speed_up"] / paired["workers"]
    return paired


def seconds_to(results: Results, trials: pd.DataFrame, accuracy: float) -> pd.Series:
    """Training seconds until each trial's validation accuracy is first `accuracy` or more, at
    one of its records; infinite where it never is.

    The warm-up is left out, so that a target reached early is no matter of it: in place of each of
    its steps counts the median of the others (`step_seconds.warm_seconds`). Where there are no
    timings from the first step on they are the record's `train_seconds`, warm-up and all.
    """
    reached = results.records[results.records["validation_accuracy"] >= accuracy]
    first = reached.sort_values("step").drop_duplicates("trial").set_index("trial")
    steps, seconds_there = first["step"].to_dict(), first["train_seconds"].to_dict()
    return _warm_seconds(results, trials, steps, seconds_there)


def training_seconds(results: Results, trials: pd.DataFrame) -> pd.Series:
    """Seconds of all training steps of each trial, the warm-up left out as in `seconds_to`: on a
    GPU the first step may take as long as hundreds of others."""
    last = results.records.sort_values("step").groupby("trial").tail(1).set_index("trial")
    return _warm_seconds(results, trials, last["step"].to_dict(), last["train_seconds"].to_dict())


def _warm_seconds(
    results: Results,
    trials: pd.DataFrame,
    steps: Mapping[Hashable, Any],
    seconds_there: Mapping[Hashable, Any],
) -> pd.Series:
    """Seconds of each trial up to its step in `steps`; infinite if it has none."""
    timings = results.timings
    timed = dict(tuple(timings.groupby("trial"))) if len(timings) else {}

    def seconds(trial: str) -> float:
        if trial not in steps:
            return math.inf
        warm = math.nan
        if trial in timed:
            warm = step_seconds.warm_seconds(timed[trial], int(steps[trial]))
        return float(seconds_there[trial]) if math.isnan(warm) else warm

    return trials["trial"].map(seconds).astype(float)


def repeats(results: Results) -> list[list[Point]]:
    """What the model is about: the points of Ray's workers by repeat, those left out that were
    oversubscribed, since the model's workers share no processor. Of several processors the GPU's.

    A repeat that lacks a point is left out; if none is whole, the means over all stand for one.
    There are none if settings vary that the model knows nothing of, or if messages went within a
    machine in some runs and between machines in others.
    """
    trained = _of_model(results)
    if trained.empty or others(results) or near_and_far(results):
        return []
    place = ["width", "batch", "workers"]
    columns = ["gradient_bytes", "compute_seconds", "communication_seconds", "step_seconds"]
    columns += ["median_seconds"]
    # Two batches that were both cut to the training samples are the same.
    each = trained.groupby([*place, "seed"])[columns].mean().reset_index()
    of_all = each.groupby(place)[columns].mean().reset_index()
    whole = [inside for _, inside in each.groupby("seed") if len(inside) == len(of_all)]
    return [_points(table) for table in whole or [of_all] if len(table)]


def _of_model(results: Results) -> pd.DataFrame:
    """The `runs` that the model is about."""
    trained = runs(results)
    if trained.empty:
        return trained
    trained = trained[(trained["launcher"] == "ray") & ~trained["oversubscribed"]]
    trained = trained[trained["processor"] == trained["processor"].max()]
    return trained.dropna(subset=["step_seconds"])


def modelled(
    results: Results,
) -> tuple[list[list[Point]], list[step_model.Place], Fitted] | None:
    """The `repeats`, the places held out of them, and the model fitted to each repeat on the
    others; None where there are too few points to fit."""
    measured = repeats(results)
    if not measured:
        return None
    places = step_model.held_out(measured[0])
    fitted = step_model.fit_each(measured, places)
    return None if fitted is None else (measured, places, fitted)


def near_and_far(results: Results) -> bool:
    """Whether, of the runs that the model is about, several workers were on one machine in some and
    on several in others."""
    trained = _of_model(results)
    if "machines" not in trained:
        return False
    machines = trained.loc[trained["workers"] > 1, "machines"]
    return bool((machines > 1).any() and (machines == 1).any())


def _points(table: pd.DataFrame) -> list[Point]:
    return [
        Point(
            workers=int(row["workers"]),
            batch=int(row["batch"]),
            width=int(row["width"]),
            gradient_bytes=float(row["gradient_bytes"]),
            compute=float(row["compute_seconds"]),
            communication=float(row["communication_seconds"]),
            step=float(row["step_seconds"]),
            median=float(row["median_seconds"]),
        )
        for row in table.to_dict("records")
    ]


FASTER, NOT_FASTER, UNDECIDED = "faster than one", "not faster", "undecided"


def judged(strong: pd.DataFrame, varied: Sequence[str] = ()) -> pd.DataFrame:
    """Of `compared`, a row per point of several workers: `processor`, `workers`,
    `oversubscribed`, `width`, `batch`, the settings `varied`, the mean `speed_up` over repeats, and
    the `verdict`: `FASTER` or `NOT_FASTER` where its whole interval is on that side of 1, else,
    and of a single repeat, `UNDECIDED`. The 95% are shared among the points (Bonferroni): of
    twenty, one interval would miss by chance.

    `varied` must name all `others` that vary, else they would pass for repeats.
    """
    keys = ["processor", "workers", "oversubscribed", "width", "batch", *varied]
    rows = []
    several = strong[strong["workers"] > 1] if len(strong) else strong
    groups = list(several.groupby(keys, dropna=False)) if len(several) else []
    confidence = 1 - (1 - statistics.CONFIDENCE) / max(1, len(groups))
    for key, inside in groups:
        over = statistics.mean(inside.groupby("seed")["speed_up"].mean(), confidence)
        verdict = UNDECIDED
        if over.mean - over.half_width > 1:
            verdict = FASTER
        if over.mean + over.half_width < 1:
            verdict = NOT_FASTER
        place = dict(zip(keys, key, strict=True))
        rows.append({**place, "speed_up": over.mean, "verdict": verdict})
    return pd.DataFrame(rows, columns=[*keys, "speed_up", "verdict"])


def smallest_batch(measured: Sequence[Point]) -> int:
    """Of these points: what a model says of smaller ones is a prediction."""
    return min(p.batch for p in measured)


def break_even(fitted: Fitted, workers: int, width: int, gradient_bytes: float) -> list[float]:
    """By repeat, the batch from which on so many workers are faster than one."""
    return fitted.each(lambda model: model.break_even_batch(workers, width, gradient_bytes))


def interval(values: Sequence[float] | np.ndarray, said: Callable[[float], str]) -> str:
    """The mean over repeats, with half of its 95% interval if there are several."""
    over = statistics.mean(values)
    text = said(over.mean)
    return text if math.isnan(over.half_width) else f"{text} ± {said(over.half_width)}"
