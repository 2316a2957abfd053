"""The results of a search: its trials, its best points, and their accuracy with fresh seeds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd

from lenet.config import settings_in
from search_spaces.objective import maximized, tie_order, worst_value
from search_spaces.search_names import confirmed_number, trial_number
from search_spaces.space import Choice, Dimension, Range
from study.analysis import statistics
from study.analysis.quantity import support_of
from study.analysis.results import Results
from study.analysis.statistics import SHARE, Mean
from study.analysis.wording import (
    describe_settings,
    format_mean,
    format_measurement,
    format_setting,
    label,
    pluralize,
    provenance,
)
from study.runs.metadata import SEARCH_TOOL
from study.runs.trial_folder import COMPLETE

NOT_USED = "not used"
"""The word for a setting that a trial does not have, such as the decay of a constant schedule."""

MIN_FOR_IMPORTANCES = 100
"""Below this number of finished trials, the importance of a setting is not shown.

In simulated searches of five settings, the most important one ranks first in a quarter of the
searches of 60 trials, which is chance, and in 16 of 20 searches of 100 trials (120 trials: all).
Even then, a setting without any effect gets up to 0.07. Source: `benchmarks/importance_trials.py`.
"""
_EDGE = 0.03
"""Share of a range, on its log scale if it has one, that counts as its edge."""


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log, and warnings about experiments, infinite values and slow samplers."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        # The GP sampler (optuna 5.0) warns about points that were told an infinite loss.
        warnings.filterwarnings("ignore", message="Clip non-finite values")
        # Ray's `OptunaSearch` warns about a sampler that takes more than a second for a proposal.
        warnings.filterwarnings("ignore", message="Define-by-run function")
        yield


def is_search(results: Results) -> bool:
    return results.run.tool == SEARCH_TOOL


def searched_space(results: Results) -> list[Dimension]:
    """Return the space that was searched, as recorded in `run.json`."""
    return [Dimension.from_json(document) for document in results.run.options["space"]]


def words_for_unset(results: Results) -> dict[str, str]:
    """Return what a missing value means, for each setting that not every trial of a search has.

    Empty for other runs.
    """
    space = searched_space(results) if is_search(results) else []
    words = {}
    for dimension in space:
        if dimension.condition:
            can_be_unset = isinstance(dimension.domain, Choice) and None in dimension.domain.values
            default = f" or {format_setting(dimension.setting, None)}" if can_be_unset else ""
            words[dimension.setting] = f"{NOT_USED}{default}"
    return words


def search_objectives(results: Results) -> list[str]:
    return list(results.run.options["objectives"])


def search_trials(results: Results) -> pd.DataFrame:
    """Return a row for each point of the search with a result, sorted by `number`.

    A point with several seeds has the values that Optuna was told: the mean of each objective over
    its seeds, where a diverged seed has the worst value. Its `status` is `diverged` if a
    mean is infinite, or if all seeds diverged. Its other measurements are means over the seeds that
    did not diverge, and `trial` names its first seed. Columns `..._low` and `..._high` are the ends
    of the 95% interval of an objective, NaN for one seed or if a seed diverged. A point with a
    missing seed is left out, as are confirmations.
    """
    numbers = results.trials["trial"].map(trial_number)
    trials = results.trials.assign(number=numbers)[numbers.notna()].copy()
    complete = trials["status"].isin(COMPLETE).groupby(trials["number"]).transform("all")
    trials = trials[complete].astype({"number": int})
    for dimension in searched_space(results):
        domain = dimension.domain
        if isinstance(domain, Choice) and None in domain.values:  # the table holds NaN for it
            column = trials[dimension.setting].astype(object)
            trials[dimension.setting] = column.where(column.notna(), None)
    if results.run.seeds > 1 and len(trials):
        trials = _points(trials, search_objectives(results))
    return trials.sort_values("number").reset_index(drop=True)


def search_provenance(results: Results) -> str:
    """Return one line on where the numbers of the search come from; it has at least one trial."""
    of_search = results.completed["trial"].map(trial_number).notna()
    return provenance(results.run, results.completed[of_search])


def _points(trials: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """Return a row for each point, whose seeds are rows of `trials`."""
    settings = {*settings_in(trials), "number"}
    measured = [name for name in trials.select_dtypes("number") if name not in settings]
    rows = []
    for _, of_point in trials.sort_values("seed", kind="stable").groupby("number"):
        finished = of_point[of_point["status"] == "finished"]
        row = {str(name): value for name, value in of_point.iloc[0].items()}
        row |= {str(name): finished[name].mean() for name in measured}
        all_finished = len(finished) == len(of_point)
        for name in objectives:
            values = finished[name].astype(float).tolist()
            worst = worst_value(name, is_maximized=maximized(name))
            values += [worst] * (len(of_point) - len(finished))
            row[name] = float(np.mean(values)) if len(finished) else np.nan
            interval = statistics.mean(values, support_of(name)) if all_finished else None
            row[f"{name}_low"] = interval.low if interval else np.nan
            row[f"{name}_high"] = interval.high if interval else np.nan
        is_finite = all(np.isfinite(row[name]) for name in objectives)
        rows.append(row | {"status": "finished" if is_finite else "diverged"})
    return pd.DataFrame(rows)


def finished_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `search_trials` that were trained to their end and did not diverge."""
    return trials[trials["status"] == "finished"]


def rank_trials(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """Return the finished trials, best first; equal ones as the leaderboard sorts them."""
    finished = finished_trials(trials).dropna(subset=objective)
    rows = [{str(name): row[name] for name in row} for row in finished.to_dict("records")]
    order = sorted(range(len(rows)), key=lambda position: tie_order(rows[position]))
    in_order = finished.iloc[order]
    return in_order.sort_values(objective, ascending=not maximized(objective), kind="stable")


def best_points(results: Results, objective: str) -> list[dict[str, Any]]:
    """Return the settings of every point with finished trials, best first.

    Points are ranked by the mean of the objective over seeds. Unset settings are None.
    """
    settings = [name for name in settings_in(results.trials) if name != "seed"]
    finished = finished_trials(results.completed)
    means = finished.groupby(settings, dropna=False)[objective].mean().dropna()
    order = means.sort_values(ascending=not maximized(objective), kind="stable")
    points = []
    for key in order.index:
        row = dict(zip(settings, key, strict=True))
        points.append({n: None if v != v else v for n, v in row.items()})
    return points


def pareto_front(results: Results) -> pd.DataFrame:
    """Return the finished trials that no other dominates, best in the first objective first."""
    one, other = search_objectives(results)
    trials = finished_trials(search_trials(results)).dropna(subset=[one, other])
    signs = [1 if maximized(name) else -1 for name in (one, other)]
    values = trials[[one, other]].to_numpy(dtype=float) * signs
    dominated = [
        bool(((values >= own).all(axis=1) & (values > own).any(axis=1)).any()) for own in values
    ]
    return trials[~np.asarray(dominated, dtype=bool)].sort_values(one, ascending=not maximized(one))


@dataclass(frozen=True)
class ConfirmedPoint:
    """One of the best points of a search, retrained with fresh seeds."""

    number: int
    """number of its trial in the search"""
    settings: Mapping[str, Any]
    """values of its active dimensions"""
    search_rank: int
    search_value: float
    search_interval: tuple[float, float]
    """the 95% interval of `search_value` over the seeds of the search; NaN if it has one seed"""
    objective: Mean
    test_accuracy: Mean | None
    values: Sequence[float]
    """the objective of each seed"""
    diverged: int
    """seeds that did not finish"""


def confirmed_points(results: Results) -> list[ConfirmedPoint]:
    """Return the confirmed points, sorted by diverged seeds, then by the mean objective."""
    objective = search_objectives(results)[0]
    space = searched_space(results)
    order = rank_trials(search_trials(results), objective)
    ranks = {number: rank for rank, number in enumerate(order["number"], 1)}
    in_search = {row["number"]: row for row in order.to_dict("records")}
    trials = results.completed.assign(number=results.completed["trial"].map(confirmed_number))
    points = []
    for number, seeds in trials.dropna(subset="number").groupby("number"):
        rank = ranks.get(number)
        finished = finished_trials(seeds).sort_values("seed")
        if finished.empty or rank is None:
            continue
        row = {str(name): value for name, value in seeds.iloc[0].items()}
        settings = {d.setting: row[d.setting] for d in space if d.is_active(row)}
        test_accuracies = finished["test_accuracy"].dropna()
        points.append(
            ConfirmedPoint(
                number=int(float(str(number))),
                settings=settings,
                search_rank=rank,
                search_value=float(in_search[number][objective]),
                search_interval=_interval(in_search[number], objective),
                objective=statistics.mean(finished[objective], support_of(objective)),
                test_accuracy=statistics.mean(test_accuracies, SHARE)
                if len(test_accuracies)
                else None,
                values=finished[objective].tolist(),
                diverged=len(seeds) - len(finished),
            )
        )
    sign = -1 if maximized(objective) else 1
    return sorted(points, key=lambda point: (point.diverged, sign * point.objective.mean))


def _interval(row: Mapping[Any, Any], objective: str) -> tuple[float, float]:
    low, high = (float(row.get(f"{objective}_{end}", np.nan)) for end in ("low", "high"))
    return low, high


def confirmed_lines(results: Results) -> list[str]:
    """Describe the best point by its fresh seeds; nothing if no point was confirmed.

    The search's own best may owe its rank to luck, so it is named only if it is a different trial.
    """
    points = confirmed_points(results)
    if not points:
        return []
    best, objective = points[0], search_objectives(results)[0]
    unit = " %" if objective.endswith("_accuracy") else ""
    metric = f" {label(objective).rpartition(' ')[2]}"  # of `validation accuracy`, named once
    found = _mean_text(label(objective), objective, best.objective)
    if best.test_accuracy is not None:
        name = "test" if metric == " accuracy" else "test accuracy"
        found += f", {_mean_text(name, 'test_accuracy', best.test_accuracy)}"
    in_search = f"{format_measurement(objective, best.search_value)}{unit}"
    lucky = [rank for rank, point in enumerate(points, 1) if point.search_rank == 1 and rank > 1]
    own = f"; its own best, trial {points[lucky[0] - 1].number}, ranks {lucky[0]}" if lucky else ""
    diverged = f"; {best.diverged} more diverged" if best.diverged else ""
    return [
        f"Best setting: {describe_settings(best.settings)}",
        f"  {found}, with {pluralize(len(best.values), 'fresh seed')}{diverged}",
        f"  It is trial {best.number} of the search, which had {in_search} there{own}",
    ]


def _mean_text(what: str, name: str, mean: Mean) -> str:
    unit = " %" if name.endswith("_accuracy") else ""
    return f"{what} {format_mean(name, mean.mean, mean.low, mean.high)}{unit}"


def search_notes(results: Results) -> list[str]:
    """Return what the user should know about the best point.

    It may be at the edge of the space (see `edge_warnings`), or too few trials may have finished to
    estimate importances.
    """
    objective = search_objectives(results)[0]
    order = rank_trials(search_trials(results), objective)
    if order.empty:
        return []
    too_few = (
        [
            f"Importances of settings need {MIN_FOR_IMPORTANCES} finished trials; this search has "
            f"{len(order)}."
        ]
        if len(order) < MIN_FOR_IMPORTANCES
        else []
    )
    points = confirmed_points(results)
    if points:
        values = points[0].settings
    else:
        row = {str(name): value for name, value in order.iloc[0].items()}
        values = {d.setting: row[d.setting] for d in searched_space(results) if d.is_active(row)}
    return edge_warnings(searched_space(results), values) + too_few


def edge_warnings(space: Sequence[Dimension], values: Mapping[str, Any]) -> list[str]:
    """Warn of each dimension at whose edge a point lies, because better values may lie beyond.

    Ranges and numeric choices have edges. A natural bound, such as a dropout of 0, is not one.
    """
    messages = []
    for dimension in space:
        name, domain = dimension.setting, dimension.domain
        edge = _edge(domain, values[name]) if name in values else None
        if edge is None or edge == _NATURAL_BOUNDS.get(name):
            continue
        side, _ = edge
        messages.append(
            f"Warning: the best point has {name}={values[name]:.3g}, at the {side} edge of the "
            f"search space ({domain}): widen it with --set {name}=..."
        )
    return messages


_NATURAL_BOUNDS = {"dropout": ("lower", 0.0), "gamma": ("upper", 1.0)}


def _edge(domain: Range | Choice, value: Any) -> tuple[str, float] | None:
    """Return the side (lower or upper) and the bound of the edge at which `value` lies."""
    if isinstance(domain, Range):
        low, high = domain.low, domain.high
        scale = np.log if domain.log else float
        position = (scale(value) - scale(low)) / (scale(high) - scale(low))
    else:
        if len(domain.values) < 2 or not all(map(_is_number, domain.values)):
            return None
        low, high = min(domain.values), max(domain.values)
        position = {low: 0.0, high: 1.0}.get(value, 0.5)
    if position < _EDGE:
        return "lower", low
    return ("upper", high) if position > 1 - _EDGE else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
