"""Table: optimizers compared as in Fan's table 1, whose words become measured quantities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd

from lenet import registry
from lenet.config import ConfigError, unknown_name
from study.analysis import statistics
from study.analysis.results import Results, select
from study.analysis.statistics import Support
from study.analysis.wording import describe_settings, format_interval, format_percent, pluralize
from study.tables.cells import best_point, measure, split_by_other_settings

_POINT = 0.01
"""One percentage point of accuracy."""
_GOOD = 0.9
_ROUNDING = 1e-9  # rounding may turn a difference of one point into slightly more
_DEFINITIONS = {
    "sensitivity": "standard deviation of the final validation accuracy over the learning "
    "rates, in points, averaged over the batch sizes; none where a trial diverged",
    "convergence speed": "epochs until the validation accuracy first is within 1 point of the "
    "trial's own best, median over the trials whose best exceeds 90%",
    "stability": "largest fall of the validation accuracy from one record to the next, in "
    "points, mean over the trials whose best exceeds 90%",
    "best performance": "test accuracy in % of the point with the best mean validation accuracy",
    "tuning effort": "share of the points whose mean validation accuracy comes within 1 point "
    "of the best point's: the fewer, the more effort",
    "diverged": "trials that diverged; they are in none of the means above",
}


def make(results: Results, *, optimizers: Sequence[str] = ("sgd", "adam")) -> pd.DataFrame:
    """Return a row per metric with its definition, and a column per optimizer that was run.

    The metrics are over all points of learning rate and batch size. The first three are computed
    for each seed over its trials that did not diverge, then averaged, with 95% intervals.
    Accuracies are from the last record unless the definition differs. Standard deviations are
    sample standard deviations. A point with a larger share of diverged seeds than the best point
    does not count as close to it. Empty if a scheduler stopped trials.
    """
    for name in optimizers:
        if name not in registry.OPTIMIZERS:
            raise ConfigError(unknown_name(name, registry.OPTIMIZERS, "optimizer"))
    selected = results.completed[results.completed["optimizer"].isin(list(optimizers))]
    # A trial that a scheduler stopped has neither a last record nor a whole curve.
    if selected.empty or (selected["status"] == "stopped").any():
        return pd.DataFrame()
    rows = []
    settings = ("optimizer", "lr", "batch_size")
    for prefix, trials in split_by_other_settings(results, selected, settings):
        by_optimizer = {name: select(trials, {"optimizer": name}) for name in optimizers}
        metrics = {name: _metrics(results, t) for name, t in by_optimizer.items() if not t.empty}
        for metric, definition in _DEFINITIONS.items():
            cells = {name: values[metric] for name, values in metrics.items()}
            rows.append(prefix | {"metric": metric, "definition": definition} | cells)
    return pd.DataFrame(rows).fillna("-")


def _metrics(results: Results, trials: pd.DataFrame) -> dict[str, str]:
    """Return the metrics of one optimizer, as text."""
    curves = _curves(results, trials[trials["status"] != "diverged"])
    good = int((curves["best"] > _GOOD).sum())
    diverged = int((trials["status"] == "diverged").sum())
    by_point = dict(iter(trials.groupby(["lr", "batch_size"])))
    points = {key: measure(results, t, "validation_accuracy") for key, t in by_point.items()}
    best = best_point(points)
    performance, near_best = "-", 0
    if best is not None:
        settings = describe_settings(dict(zip(("lr", "batch_size"), best, strict=True)))
        accuracy = measure(results, by_point[best], "test_accuracy").text("test_accuracy")
        performance = f"{accuracy} ({settings})"
        near_best = sum(
            point.mean >= points[best].mean - _POINT - _ROUNDING
            and point.diverged_share <= points[best].diverged_share
            for point in points.values()
        )
    points_of_accuracy = Support(0.0, 100.0)
    epochs = Support(0.0, float(trials["epoch"].max()))
    return {
        "sensitivity": _over_seeds(curves, _sensitivity, points_of_accuracy)
        if not diverged
        else "-",
        "convergence speed": f"{_over_seeds(curves, _speed, epochs)} "
        f"({good:,} of {pluralize(len(trials), 'trial')})",
        "stability": _over_seeds(curves, _fall, points_of_accuracy),
        "best performance": performance,
        "tuning effort": f"{format_percent(near_best / len(points))}% "
        f"({near_best:,} of {pluralize(len(points), 'point')})",
        "diverged": f"{diverged:,} of {pluralize(len(trials), 'trial')}",
    }


def _curves(results: Results, trials: pd.DataFrame) -> pd.DataFrame:
    """Return a row per trial with features of its validation curve, accuracies in [0, 1].

    `near`: epoch of the first record within a percentage point of the `best`. `fall`: largest fall
    from one record to the next, NaN if there is only one record.
    """
    rows = []
    validated = results.records.dropna(subset="validation_accuracy").sort_values("step")
    for trial in trials.to_dict("records"):
        records = validated[validated["trial"] == trial["trial"]]
        curve = records["validation_accuracy"]
        if curve.empty:
            continue
        within = curve >= curve.max() - _POINT - _ROUNDING
        rows.append(
            {
                **{name: trial[name] for name in ("seed", "lr", "batch_size")},
                "final": curve.iloc[-1],
                "best": curve.max(),
                "near": records.loc[within, "epoch"].iloc[0],
                "fall": max(0.0, -curve.diff().min()) if len(curve) > 1 else math.nan,
            }
        )
    return pd.DataFrame(rows, columns=["seed", "lr", "batch_size", "final", "best", "near", "fall"])


def _sensitivity(seed: pd.DataFrame) -> float:
    return 100 * float(seed.groupby("batch_size")["final"].std().mean())


def _speed(seed: pd.DataFrame) -> float:
    return float(seed.loc[seed["best"] > _GOOD, "near"].median())


def _fall(seed: pd.DataFrame) -> float:
    return 100 * float(seed.loc[seed["best"] > _GOOD, "fall"].mean())


def _over_seeds(
    curves: pd.DataFrame, metric: Callable[[pd.DataFrame], float], support: Support
) -> str:
    values = [metric(seed) for _, seed in curves.groupby("seed")]
    if not values or any(value != value for value in values):
        return "-"
    over_seeds = statistics.mean(values, support)
    return format_interval(over_seeds.mean, over_seeds.low, over_seeds.high, "{:.2f}".format)
