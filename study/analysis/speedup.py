"""Speedup of several workers, measured and by a model of the duration of a step.

The trials of a scaling run have these columns in addition to their settings:

- `launch`: name of the launch of workers that trained the trial
- `launcher` (one of `LAUNCHERS` in `search_spaces.hardware`), `processor` (cpu or gpu), `workers`,
  `oversubscribed`
- `strategy` (one of `STRATEGIES` there, or `SERIAL`): how the workers share a step
- `machines`: number of machines of the workers; older runs lack it
- `gradient_bytes`, and `load_average` of the machine at the start
- seconds of start-up: `ray_seconds` (Ray and the data, once for all launches), `launch_seconds`
  (until the first worker runs, including processes and imports; NaN if an earlier attempt
  crashed), `group_seconds` (process group) and `load_seconds` (data, in the worker)
- `total_seconds`: the whole time of the program as if it had trained only this trial. It is the
  start-up of its launch (the last three above, without Ray's own start) plus the time from building
  the model to the last record, including evaluation and checkpoints. NaN if an earlier attempt
  trained part of the trial; older runs lack it

A repeat is a seed. Rates are based on the mean step after the warm-up (see
`study.analysis.step_seconds`) and on the batch that was trained: a batch larger than the training
set is cut to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from search_spaces.hardware import SERIAL, STRATEGIES
from study.analysis import statistics, step_model, step_seconds
from study.analysis.results import Results
from study.analysis.step_model import FittedModels, StepMeasurement, Workload
from study.analysis.wording import format_interval

POINT = ("processor", "launcher", "workers", "width", "batch_size")

FASTER, NOT_FASTER, UNDECIDED = "faster than one", "not faster", "undecided"


def is_scaling(results: Results) -> bool:
    """Return True if the run compares numbers of workers."""
    return "workers" in results.trials


def other_varied_settings(results: Results) -> list[str]:
    """Return the settings that vary, except batch size and width. They are never averaged over."""
    return [name for name in results.varied_settings if name not in POINT]


def scaling_trials(results: Results) -> pd.DataFrame:
    """Return the trials with a result and timings, with their speed.

    Added columns: `batch` (samples of a step over all workers), the results of
    `step_seconds.typical_step`, `samples_per_second`, `steps_per_second` and `epoch_seconds`.
    Empty for other runs.
    """
    if not is_scaling(results) or results.timings.empty:
        return pd.DataFrame()
    # A trial that failed before it began has no launch; one with damaged records has no samples.
    trials = results.completed.dropna(subset=["workers", "samples", "epoch"]).copy()
    trials["workers"] = trials["workers"].astype(int)
    trials["oversubscribed"] = trials["oversubscribed"].astype(bool)
    trials["strategy"] = _strategies(trials)
    # The config does not give the size of the data set, but the records do.
    epoch_samples = (trials["samples"] / trials["epoch"]).round().astype(int)
    trials["batch"] = np.minimum(trials["batch_size"], epoch_samples)
    timings = dict(tuple(results.timings.groupby("trial")))
    steps = [
        step_seconds.typical_step(timings[trial], samples, batch) if trial in timings else {}
        for trial, samples, batch in zip(
            trials["trial"], epoch_samples, trials["batch"], strict=True
        )
    ]
    durations = pd.DataFrame(steps, index=trials.index)
    trials[list(durations.columns)] = durations
    trials["steps_per_second"] = 1 / trials["step_seconds"]
    trials["samples_per_second"] = trials["batch"] * trials["steps_per_second"]
    trials["epoch_seconds"] = epoch_samples / trials["samples_per_second"]
    return trials


def _strategies(trials: pd.DataFrame) -> pd.Series[str]:
    """Return how the workers of each trial shared a step."""
    if "strategy" in trials:
        return trials["strategy"]
    # Runs from before there were several strategies have no such column.
    return trials["workers"].map(lambda workers: "explicit" if workers > 1 else SERIAL)


def main_strategy(trials: pd.DataFrame) -> str:
    """Return the first of `STRATEGIES` that these trials have, or `SERIAL`.

    Unless the user chose otherwise, it is DistributedDataParallel.
    """
    present = set(_strategies(trials))
    return next((strategy for strategy in STRATEGIES if strategy in present), SERIAL)


def ray_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that Ray launched, with its main strategy if there are several workers."""
    if trials.empty:
        return trials
    trials = trials[trials["launcher"] == "ray"]
    return trials[_strategies(trials).isin([SERIAL, main_strategy(trials)])]


def smallest_workload(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the `scaling_trials` of the narrowest net with the smallest batch.

    All launchers train this workload.
    """
    if trials.empty:
        return trials
    narrowest = trials[trials["width"] == trials["width"].min()]
    return narrowest[narrowest["batch_size"] == narrowest["batch_size"].min()]


def speedups(results: Results, *, weak: bool) -> pd.DataFrame:
    """Return the `ray_trials` with their speedup over one worker of the same repeat.

    In strong scaling workers share the batch of one worker; in weak scaling each has that batch.
    Added columns: `base_batch`, the batch of one worker; `speedup`, the ratio of samples per
    second; and `efficiency`, the speedup divided by the number of workers.

    Weak scaling excludes a batch that the training set limits, because it did not grow with the
    workers.
    """
    trials = ray_trials(scaling_trials(results))
    if trials.empty:
        return trials
    trials = trials.assign(base_batch=trials["batch_size"] // (trials["workers"] if weak else 1))
    keys = ["processor", "width", *other_varied_settings(results), "seed"]
    single = trials[trials["workers"] == 1]
    base = single[[*keys, "batch_size", "batch", "samples_per_second"]].rename(
        columns={
            "batch_size": "base_batch",
            "batch": "batch_of_one",
            "samples_per_second": "speed_of_one",
        }
    )
    # A trial without a matching trial of one worker belongs to the other kind of scaling.
    paired = trials.merge(base, on=[*keys, "base_batch"], how="inner")
    expected_batch = paired["batch_of_one"] * (paired["workers"] if weak else 1)
    paired = paired[paired["batch"] == expected_batch].copy()
    paired["speedup"] = paired["samples_per_second"] / paired["speed_of_one"]
    paired["efficiency"] = paired["speedup"] / paired["workers"]
    return paired


def seconds_to_accuracy(results: Results, trials: pd.DataFrame, accuracy: float) -> pd.Series:
    """Return the training seconds until each trial first reaches this validation accuracy.

    Only records count; infinite if none reaches it. The warm-up is excluded (see
    `step_seconds.warm_seconds`), so that it does not dominate a target reached early. Trials
    without timings of their first steps have the record's `train_seconds`, which include it.
    """
    reached = results.records[results.records["validation_accuracy"] >= accuracy]
    first = reached.sort_values("step").drop_duplicates("trial").set_index("trial")
    return _warm_seconds(results, trials, first)


def warm_training_seconds(results: Results, trials: pd.DataFrame) -> pd.Series:
    """Return the seconds of all training steps of each trial, excluding the warm-up.

    On a GPU, the first step may take as long as hundreds of others. See `seconds_to_accuracy` for
    trials without timings of their first steps.
    """
    last = results.records.sort_values("step").groupby("trial").tail(1).set_index("trial")
    return _warm_seconds(results, trials, last)


def _warm_seconds(results: Results, trials: pd.DataFrame, until: pd.DataFrame) -> pd.Series:
    """Return the seconds of each trial up to its record in `until`; infinite if it has none."""
    timings = dict(tuple(results.timings.groupby("trial"))) if len(results.timings) else {}
    steps = until["step"].to_dict()
    train_seconds = until["train_seconds"].to_dict()

    def seconds(trial: str) -> float:
        if trial not in steps:
            return math.inf
        warm = math.nan
        if trial in timings:
            warm = step_seconds.warm_seconds(timings[trial], int(steps[trial]))
        return float(train_seconds[trial]) if math.isnan(warm) else warm

    return trials["trial"].map(seconds).astype(float)


def measurements_by_repeat(results: Results) -> list[list[StepMeasurement]]:
    """Return the measurements that the step-time model describes, by repeat.

    Only the `ray_trials` that are not oversubscribed count, because the model's workers share no
    processor. If there are CPUs and GPUs, only the GPUs count. A repeat that lacks a workload is
    excluded. If no repeat is complete, the means over all repeats serve as one repeat.

    Empty if settings vary that the model does not describe, or if workers exchanged messages within
    a machine in some trials and between machines in others.
    """
    trials = _modeled_trials(results)
    if trials.empty or other_varied_settings(results) or has_mixed_placement(results):
        return []
    workload = ["width", "batch", "workers"]
    columns = [
        "gradient_bytes",
        "compute_seconds",
        "communication_seconds",
        "step_seconds",
        "median_seconds",
    ]
    # Two batches that were both cut to the training set are the same workload.
    means = trials.groupby([*workload, "seed"])[columns].mean().reset_index()
    overall = means.groupby(workload)[columns].mean().reset_index()
    complete = [repeat for _, repeat in means.groupby("seed") if len(repeat) == len(overall)]
    return [_measurements(table) for table in complete or [overall] if len(table)]


def _modeled_trials(results: Results) -> pd.DataFrame:
    """Return the `scaling_trials` that the step-time model describes."""
    trials = ray_trials(scaling_trials(results))
    if trials.empty:
        return trials
    trials = trials[~trials["oversubscribed"]]
    trials = trials[trials["processor"] == trials["processor"].max()]
    return trials.dropna(subset=["step_seconds"])


def _measurements(table: pd.DataFrame) -> list[StepMeasurement]:
    return [
        StepMeasurement(
            workers=int(row["workers"]),
            batch=int(row["batch"]),
            width=int(row["width"]),
            gradient_bytes=float(row["gradient_bytes"]),
            compute_seconds=float(row["compute_seconds"]),
            communication_seconds=float(row["communication_seconds"]),
            step_seconds=float(row["step_seconds"]),
            median_seconds=float(row["median_seconds"]),
        )
        for row in table.to_dict("records")
    ]


def has_mixed_placement(results: Results) -> bool:
    """Return True if several workers were on one machine in some trials and on several in others.

    Only trials that the step-time model describes count.
    """
    trials = _modeled_trials(results)
    if "machines" not in trials:
        return False
    machines = trials.loc[trials["workers"] > 1, "machines"]
    return bool((machines > 1).any() and (machines == 1).any())


def fit_step_model(
    results: Results,
) -> tuple[list[list[StepMeasurement]], list[Workload], FittedModels] | None:
    """Fit the step-time model to each repeat.

    Returns `measurements_by_repeat`, the workloads held out of them, and the fits to the others;
    None if there are too few measurements.
    """
    repeats = measurements_by_repeat(results)
    if not repeats:
        return None
    held_out = step_model.held_out_workloads(repeats[0])
    fitted = step_model.fit_repeats(repeats, held_out)
    return None if fitted is None else (repeats, held_out, fitted)


def judge_speedups(strong: pd.DataFrame, varied: Sequence[str] = ()) -> pd.DataFrame:
    """Judge, for each point with several workers, whether they are faster than one.

    `strong`: the `speedups` of strong scaling. `varied`: all `other_varied_settings`, which would
    otherwise count as repeats.

    Returns `processor`, `workers`, `oversubscribed`, `width`, `batch`, the settings `varied`, the
    mean `speedup` over repeats, and the `verdict`. The verdict is `FASTER` if the whole interval
    lies above 1, `NOT_FASTER` if it lies below, else `UNDECIDED`, as for a single repeat. The
    points share the 95% confidence (Bonferroni): otherwise one interval of twenty would miss by
    chance.
    """
    keys = ["processor", "workers", "oversubscribed", "width", "batch", *varied]
    several = strong[strong["workers"] > 1] if len(strong) else strong
    groups = list(several.groupby(keys, dropna=False)) if len(several) else []
    confidence = 1 - (1 - statistics.CONFIDENCE) / max(1, len(groups))
    rows = []
    for key, group in groups:
        repeats = group.groupby("seed")["speedup"].mean()
        speedup = statistics.mean(repeats, statistics.NON_NEGATIVE, confidence)
        verdict = UNDECIDED
        if speedup.low > 1:
            verdict = FASTER
        if speedup.high < 1:
            verdict = NOT_FASTER
        point = dict(zip(keys, key, strict=True))
        rows.append({**point, "speedup": speedup.mean, "verdict": verdict})
    return pd.DataFrame(rows, columns=[*keys, "speedup", "verdict"])


def smallest_batch(measurements: Sequence[StepMeasurement]) -> int:
    """Return the smallest measured batch. What the model says of smaller ones is a prediction."""
    return min(m.batch for m in measurements)


def break_even_batches(
    fitted: FittedModels, workers: int, width: int, gradient_bytes: float
) -> list[float]:
    """Return the batch above which `workers` are faster than one, by repeat."""
    return fitted.per_repeat(lambda model: model.break_even_batch(workers, width, gradient_bytes))


def format_repeats(
    values: Sequence[float] | np.ndarray,
    format_number: Callable[[float], str],
    support: statistics.Support = statistics.NON_NEGATIVE,
) -> str:
    """Return the mean over repeats, with its 95% interval if there are several."""
    mean = statistics.mean(values, support)
    return format_interval(mean.mean, mean.low, mean.high, format_number)
