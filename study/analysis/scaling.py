"""Scaling: what several workers are worth, measured and by a model of a step's time.

The trials of a scaling run have, beside their settings, the columns `launch` (which workers
trained it), `launcher` (ray, torchrun, plain), `processor` (cpu, gpu), `workers`,
`oversubscribed`, `gradient_bytes`, `load_average` (of the machine when it began), and of their
launch's start `ray_seconds`, `launch_seconds` (until the first worker runs: processes and
imports), `group_seconds` (the process group) and `load_seconds` (the data). A repeat is a seed.

Rates are of the typical step: the median over the steps behind the warm-up, the mean over
workers. Other work on the machine moves a mean by its outliers, and the last, shorter batch of an
epoch is no outlier to keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from lenet.records import PHASES
from study.analysis import statistics
from study.analysis.results import Results

WARM_UP_STEPS = 10
"""The first steps of a run are left out of rates, or a quarter of a shorter run's."""

POINT = ("processor", "launcher", "workers", "width", "batch_size")
LAUNCHERS = ("ray", "torchrun", "plain", "dataparallel")
"""Ray Train's TorchTrainer; torch's own launcher; one process without either."""

START_UP = ("ray_seconds", "launch_seconds", "group_seconds", "load_seconds")

_SECONDS = [f"{phase}_seconds" for phase in PHASES]


def is_scaling(results: Results) -> bool:
    """Whether the trials of this run tell numbers of workers apart."""
    return "workers" in results.trials


def others(results: Results) -> list[str]:
    """The settings that vary beside the batch size and the width: never averaged over."""
    return [name for name in results.varied if name not in POINT]


def runs(results: Results) -> pd.DataFrame:
    """The trials with a result, with what their steps took: `step_seconds`, `compute_seconds`
    (data counted in) and `communication_seconds` of the typical step; `samples_per_second`
    and `steps_per_second` by it; `epoch_seconds`; and the shares `data_share`, `compute_share` and
    `communication_share` of all time behind the warm-up.
    """
    if not is_scaling(results) or results.timings.empty:
        return pd.DataFrame()
    # A trial that failed before it began has no launch; one that is done has.
    trials = results.counted.dropna(subset=["workers"]).copy()
    trials["workers"] = trials["workers"].astype(int)
    trials["oversubscribed"] = trials["oversubscribed"].astype(bool)
    each = {trial: _of_steps(steps) for trial, steps in results.timings.groupby("trial")}
    measured = pd.DataFrame([each.get(trial, {}) for trial in trials["trial"]], index=trials.index)
    trials[list(measured.columns)] = measured
    trials["steps_per_second"] = 1 / trials["step_seconds"]
    trials["samples_per_second"] = trials["batch_size"] * trials["steps_per_second"]
    # An epoch's samples, by the record: the config does not say how many there are.
    epoch = trials["samples"] / trials["epoch"]
    trials["epoch_seconds"] = epoch / trials["samples_per_second"]
    return trials


def _of_steps(steps: pd.DataFrame) -> dict[str, float]:
    first, last = steps["step"].min(), steps["step"].max()
    warm_up = min(WARM_UP_STEPS, (last - first + 1) // 4)
    steady = steps[steps["step"] >= first + warm_up]
    total = steady[_SECONDS].sum(axis=1)
    working = steady["data_seconds"] + steady["compute_seconds"]
    by_rank = pd.DataFrame(
        {
            "rank": steady["rank"],
            "step_seconds": total,
            "compute_seconds": working,
            "communication_seconds": steady["communication_seconds"],
        }
    ).groupby("rank")
    shares = steady[_SECONDS].sum() / total.sum()
    return {
        **{str(name): float(value) for name, value in by_rank.median().mean().items()},
        **{f"{phase}_share": float(shares[f"{phase}_seconds"]) for phase in PHASES},
    }


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
    strong scaling and T1 / TN of weak.
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
    base = single[[*keys, "batch_size", "samples_per_second"]].rename(
        columns={"batch_size": "base_batch", "samples_per_second": "of_one"}
    )
    # What has no run of one worker to be compared with is of the other kind of scaling.
    paired = trained.merge(base, on=[*keys, "base_batch"], how="inner")
    paired["speed_up"] = paired["samples_per_second"] / paired["of_one"]
    paired["efficiency"] = paired["speed_up"] / paired["workers"]
    return paired


def seconds_to(results: Results, trials: pd.DataFrame, accuracy: float) -> pd.Series:
    """Training seconds until each trial's validation accuracy is first `accuracy` or more, at
    one of its records; infinite where it never is."""
    records = results.records[results.records["validation_accuracy"] >= accuracy]
    first = records.groupby("trial")["train_seconds"].min()
    return trials["trial"].map(first).fillna(math.inf)


@dataclass(frozen=True)
class Point:
    """One measured point of a step's time; seconds are means over repeats."""

    workers: int
    batch: int
    """samples, over all workers"""
    width: int
    gradient_bytes: float
    compute: float
    communication: float
    step: float
    """the whole step"""


@dataclass(frozen=True)
class StepTime:
    """T(N) = compute(batch / N, width) + latency + bytes / bandwidth, in seconds, of N workers
    that each have a processor of their own.

    compute(b, w) = `fixed` + `per_byte` x gradient bytes
                    + b x (`per_sample` w + `per_sample_2` w²)

    are what any step costs, the update of the weights, and the arithmetic of the samples, of
    which a layer between two scaled ones has w² times as much. A ring all-reduce sends
    2 (N - 1) / N times the gradients' bytes (Patarasuk & Yuan, Bandwidth optimal all-reduce
    algorithms, 2009).
    """

    fixed: float
    per_byte: float
    per_sample: float
    per_sample_2: float
    latency: float
    seconds_per_byte: float

    def compute(self, samples: float, width: int, gradient_bytes: float) -> float:
        """Of one worker with so many samples."""
        each = self.per_sample * width + self.per_sample_2 * width**2
        return self.fixed + self.per_byte * gradient_bytes + samples * each

    def communication(self, workers: int, gradient_bytes: float) -> float:
        """Of a step; 0 of one worker."""
        if workers == 1:
            return 0.0
        return self.latency + self.seconds_per_byte * sent(workers, gradient_bytes)

    def step(self, workers: int, batch: float, width: int, gradient_bytes: float) -> float:
        """Of the largest shard, for which the others wait."""
        samples = math.ceil(batch / workers)
        return self.compute(samples, width, gradient_bytes) + self.communication(
            workers, gradient_bytes
        )

    def speed_up(self, workers: int, batch: float, width: int, gradient_bytes: float) -> float:
        """Against one worker with the same batch."""
        one = self.step(1, batch, width, gradient_bytes)
        return one / self.step(workers, batch, width, gradient_bytes)

    def break_even_batch(self, workers: int, width: int, gradient_bytes: float) -> float:
        """The batch from which on `workers` are faster than one: where what they save on
        samples is what they spend on communication. Infinite if samples cost nothing."""
        each = self.per_sample * width + self.per_sample_2 * width**2
        saved = each * (1 - 1 / workers)
        return self.communication(workers, gradient_bytes) / saved if saved else math.inf


def sent(workers: int, gradient_bytes: float) -> float:
    """Bytes that each worker sends in a ring all-reduce."""
    return 2 * (workers - 1) / workers * gradient_bytes


def points(results: Results) -> list[Point]:
    """What the model is about: the means over repeats of the points of Ray's workers, those left
    out that were oversubscribed, since the model's workers share no processor. Of several
    processors the GPU's."""
    trained = runs(results)
    if trained.empty or others(results):
        return []
    trained = trained[(trained["launcher"] == "ray") & ~trained["oversubscribed"]]
    trained = trained[trained["processor"] == trained["processor"].max()]
    keys = ["width", "batch_size", "workers"]
    columns = ["gradient_bytes", "compute_seconds", "communication_seconds", "step_seconds"]
    means = trained.groupby(keys)[columns].mean().reset_index()
    return [
        Point(
            workers=int(row["workers"]),
            batch=int(row["batch_size"]),
            width=int(row["width"]),
            gradient_bytes=float(row["gradient_bytes"]),
            compute=float(row["compute_seconds"]),
            communication=float(row["communication_seconds"]),
            step=float(row["step_seconds"]),
        )
        for row in means.to_dict("records")
    ]


def split(measured: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    """(those the model is fitted on, those it is tested on): every fourth, by width, batch and
    workers, is held out, whatever was measured there."""
    ordered = sorted(measured, key=lambda p: (p.width, p.batch, p.workers))
    held_out = ordered[2::4]
    return [p for p in ordered if p not in held_out], held_out


def fit(measured: Sequence[Point]) -> StepTime | None:
    """The model with the least squares of relative errors, of computation and of communication
    each, none of its terms negative. None if there are fewer points than terms: four of any
    kind, two of several workers.
    """
    together = [p for p in measured if p.workers > 1]
    if len(measured) < 4 or len(together) < 2:
        return None
    compute = _least_squares(
        [
            [1.0, p.gradient_bytes, samples * p.width, samples * p.width**2]
            for p in measured
            for samples in [math.ceil(p.batch / p.workers)]
        ],
        [p.compute for p in measured],
    )
    communication = _least_squares(
        [[1.0, sent(p.workers, p.gradient_bytes)] for p in together],
        [p.communication for p in together],
    )
    return StepTime(*compute, *communication)


def relative_error(model: StepTime, point: Point) -> float:
    """Modelled less measured, as a share of measured."""
    return (
        model.step(point.workers, point.batch, point.width, point.gradient_bytes) / point.step - 1
    )


def _least_squares(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> list[float]:
    scaled = np.asarray(rows) / np.asarray(seconds)[:, None]
    # Columns of one size: samples and bytes are many orders of magnitude apart.
    sizes = np.linalg.norm(scaled, axis=0)
    found, _ = nnls(scaled / sizes, np.ones(len(seconds)))
    return [float(value) for value in found / sizes]


FASTER, NOT_FASTER, UNDECIDED = "faster than one", "not faster", "undecided"


def judged(strong: pd.DataFrame) -> pd.DataFrame:
    """Of `compared`, a row per point of several workers: `processor`, `workers`, `width`,
    `batch_size`, `oversubscribed`, the mean `speed_up` over repeats, and the `verdict`: `FASTER` or
    `NOT_FASTER` where its whole 95% interval is on that side of 1, else, and of a single repeat,
    `UNDECIDED`."""
    keys = ["processor", "workers", "width", "batch_size", "oversubscribed"]
    rows = []
    for key, repeats in strong[strong["workers"] > 1].groupby(keys) if len(strong) else []:
        over = statistics.mean(repeats["speed_up"])
        verdict = UNDECIDED
        if over.mean - over.half_width > 1:
            verdict = FASTER
        if over.mean + over.half_width < 1:
            verdict = NOT_FASTER
        place = dict(zip(keys, key, strict=True))
        rows.append({**place, "speed_up": over.mean, "verdict": verdict})
    return pd.DataFrame(rows, columns=[*keys, "speed_up", "verdict"])


def conclusions(results: Results) -> list[str]:
    """What a person would say of the run, a sentence each."""
    said = []
    keys = ["processor", "workers", "oversubscribed"]
    verdicts = judged(compared(results, weak=False))
    for processor, workers, crowded in verdicts[keys].drop_duplicates().itertuples(index=False):
        inside = verdicts[(verdicts["processor"] == processor) & (verdicts["workers"] == workers)]
        parts = []
        for verdict, of_it in inside.groupby("verdict", sort=False):
            each = ", ".join(
                f"width {row.width} at batch {row.batch_size} ({row.speed_up:.2f} times)"
                for row in of_it.itertuples()
            )
            parts.append(f"{verdict} for {each}")
        crowd = " (oversubscribed)" if crowded else ""
        said.append(f"{workers} {processor} workers{crowd}, measured: {'; '.join(parts)}.")
    if (verdicts["verdict"] == UNDECIDED).any():
        said.append(
            "Undecided is what one repeat leaves, or repeats whose 95% interval has both sides "
            "of 1 in it: use more --repeats, on a machine without other work."
        )
    fitted, held_out = split(points(results))
    model = fit(fitted)
    if model is None:
        said.append(
            "No model of the step's time: it needs four points that are not oversubscribed, two of "
            "them of several workers (add --widths or --weak)."
        )
        return said
    if held_out:
        errors = [abs(relative_error(model, p)) for p in held_out]
        said.append(
            f"The model of the step's time, fitted on {len(fitted)} points, is off by "
            f"{100 * np.mean(errors):.0f} % on the mean and by {100 * max(errors):.0f} % at the "
            f"most on the {len(held_out)} points that it was not fitted on."
        )
    for workers in (2, 4):
        need = {p.width: model.break_even_batch(workers, p.width, p.gradient_bytes) for p in fitted}
        listed = ", ".join(
            f"{batch:,.0f} at width {width}" for width, batch in sorted(need.items())
        )
        ran = any(p.workers == workers for p in fitted)
        what = "by the model" if ran else "prediction, not run with a processor each"
        said.append(f"{workers} workers pay from a batch of {listed} on ({what}).")
    return said
