"""What a search found: its trials, its best points, and what they are worth with fresh seeds."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from lenet.config import SETTINGS, TrainConfig
from search_spaces.space import Choice, Dimension, Range
from search_spaces.study import maximized
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.statistics import Mean

TOOL = "study.search"

_TRIAL = re.compile(r"(\d{4,})_")
_CONFIRMATION = re.compile(r"confirm(\d{4,})_seed\d+")


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log and its warnings that a sampler, or a way to call it, may change."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        yield


def trial_name(number: int, config: TrainConfig) -> str:
    """The name of a search's trial: its number, then what it is about."""
    return f"{number:04d}_{config.optimizer}_lr{config.lr:.3g}_batch{config.batch_size}"


def confirmation_name(number: int, seed: int) -> str:
    """The name of a trial that trains the settings of trial `number` once more."""
    return f"confirm{number:04d}_seed{seed}"


def number_of(name: str) -> int | None:
    """The number in a name of `trial_name`; None for any other trial."""
    found = _TRIAL.match(name)
    return int(found[1]) if found else None


def _confirmed_number(name: str) -> int | None:
    found = _CONFIRMATION.fullmatch(name)
    return int(found[1]) if found else None


def is_search(results: Results) -> bool:
    return results.run.get("tool") == TOOL


def space_of(results: Results) -> list[Dimension]:
    """The space that was searched, as `run.json` has it."""
    return [restored(one) for one in results.run["asked"]["space"]]


def objectives_of(results: Results) -> list[str]:
    return list(results.run["asked"]["objectives"])


def described(dimension: Dimension) -> dict[str, Any]:
    """A dimension as JSON can hold it; `restored` reads it back."""
    over = dimension.over
    among = (
        {"choice": list(over.values)}
        if isinstance(over, Choice)
        else {"range": [over.low, over.high], "log": over.log}
    )
    where = {name: sorted(values, key=str) for name, values in dimension.where.items()}
    return {"setting": dimension.setting, **among, "where": where}


def restored(said: Mapping[str, Any]) -> Dimension:
    over: Choice | Range
    if "choice" in said:
        over = Choice(tuple(said["choice"]))
    else:
        low, high = said["range"]
        over = Range(low, high, said["log"])
    where = {name: frozenset(values) for name, values in said["where"].items()}
    return Dimension(said["setting"], over, where)


def searched(results: Results) -> pd.DataFrame:
    """The trials of the search with a result, by `number`, the confirmations left out."""
    numbers = results.counted["trial"].map(number_of)
    trials = results.counted.assign(number=numbers)[numbers.notna()].copy()
    for dimension in space_of(results):
        over = dimension.over
        if isinstance(over, Choice) and None in over.values:  # a table has NaN for it
            column = trials[dimension.setting].astype(object)
            trials[dimension.setting] = column.where(column.notna(), None)
    return trials.astype({"number": int}).sort_values("number").reset_index(drop=True)


def ended(trials: pd.DataFrame) -> pd.DataFrame:
    """Those that were trained to their end and did not diverge: what can be compared."""
    return trials[trials["status"] == "finished"]


def ranked(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """The trials that can be compared, best first; the earlier of equals."""
    whole = ended(trials).dropna(subset=objective)
    return whole.sort_values(objective, ascending=not maximized(objective), kind="stable")


def best_points(results: Results, objective: str) -> list[dict[str, Any]]:
    """The settings of every point of a run that was trained to its end, best first by the mean of
    the objective over seeds; None for what is unset."""
    settings = [name for name in SETTINGS if name in results.trials and name != "seed"]
    whole = ended(results.counted)
    means = whole.groupby(settings, dropna=False)[objective].mean().dropna()
    order = means.sort_values(ascending=not maximized(objective), kind="stable")
    points = []
    for key in order.index:
        row = dict(zip(settings, key, strict=True))
        points.append({n: None if v != v else v for n, v in row.items()})
    return points


def importances(results: Results) -> dict[str, float]:
    """How much of the variance of the first objective each dimension accounts for, most first, by
    Optuna's fANOVA (Hutter, Hoos and Leyton-Brown, 2014) over the trials trained to their end; a
    dimension that not all of them have, over those that have it. Empty of fewer than four."""
    objective = objectives_of(results)[0]
    trials = ranked(searched(results), objective)
    if len(trials) < _FEWEST_FOR_IMPORTANCES or trials[objective].nunique() < 2:
        return {}
    space = space_of(results)
    with quiet():
        up = maximized(objective)
        study = optuna.create_study(direction="maximize" if up else "minimize")
    for row in trials.to_dict("records"):
        point = {str(name): value for name, value in row.items()}
        present = {d.setting: d for d in space if d.present(point)}
        study.add_trial(
            create_trial(
                value=point[objective],
                params={name: point[name] for name in present},
                distributions={name: _distribution(d) for name, d in present.items()},
            )
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _distribution(dimension: Dimension) -> BaseDistribution:
    over = dimension.over
    if isinstance(over, Choice):
        return CategoricalDistribution(over.values)
    return FloatDistribution(over.low, over.high, log=over.log)


_FEWEST_FOR_IMPORTANCES = 4


def front(results: Results) -> pd.DataFrame:
    """The trials that no other is at least as good as in both objectives, by the first of them."""
    one, other = objectives_of(results)
    trials = ended(searched(results)).dropna(subset=[one, other])
    signs = [1 if maximized(name) else -1 for name in (one, other)]
    values = trials[[one, other]].to_numpy(dtype=float) * signs
    beaten = [
        bool(((values >= mine).all(axis=1) & (values > mine).any(axis=1)).any()) for mine in values
    ]
    return trials[~np.asarray(beaten, dtype=bool)].sort_values(one)


@dataclass(frozen=True)
class Confirmed:
    """One of the best points of a search, trained with fresh seeds."""

    number: int
    """of its trial in the search"""
    settings: Mapping[str, Any]
    """of the dimensions that it has"""
    search_rank: int
    search_value: float
    objective: Mean
    test_accuracy: Mean | None
    values: Sequence[float]
    """the objective by seed"""
    diverged: int


def confirmed(results: Results) -> list[Confirmed]:
    """The confirmed points, best mean of the objective first; one that diverged with some seed
    after all that never did."""
    objective = objectives_of(results)[0]
    space = space_of(results)
    order = ranked(searched(results), objective)
    ranks = {number: rank for rank, number in enumerate(order["number"], 1)}
    values = dict(zip(order["number"], order[objective], strict=True))
    trials = results.counted.assign(number=results.counted["trial"].map(_confirmed_number))
    found = []
    for number, seeds in trials.dropna(subset="number").groupby("number"):
        at = int(float(str(number)))
        whole = ended(seeds).sort_values("seed")
        if whole.empty or at not in ranks:
            continue
        row = {str(name): value for name, value in seeds.iloc[0].items()}
        settings = {d.setting: row[d.setting] for d in space if d.present(row)}
        tested = whole["test_accuracy"].dropna()
        found.append(
            Confirmed(
                number=at,
                settings=settings,
                search_rank=ranks[at],
                search_value=float(values[at]),
                objective=statistics.mean(whole[objective]),
                test_accuracy=statistics.mean(tested) if len(tested) else None,
                values=whole[objective].tolist(),
                diverged=len(seeds) - len(whole),
            )
        )
    sign = -1 if maximized(objective) else 1
    return sorted(found, key=lambda one: (one.diverged, sign * one.objective.mean))


def said_of_winner(results: Results) -> list[str]:
    """What is to be said of the best point: of the confirmed, or else of the search's own."""
    objective = objectives_of(results)[0]
    order = ranked(searched(results), objective)
    if order.empty:
        return []
    found = confirmed(results)
    said = []
    if found:
        place = next((i for i, one in enumerate(found, 1) if one.search_rank == 1), None)
        if place is not None:
            said.append(
                f"The winner of the search, trial {order['number'].iloc[0]}, comes out as number "
                f"{place} of {len(found)} with fresh seeds."
            )
        return said + at_the_edge(space_of(results), found[0].settings)
    row = {str(name): value for name, value in order.iloc[0].items()}
    point = {d.setting: row[d.setting] for d in space_of(results) if d.present(row)}
    return at_the_edge(space_of(results), point)


_EDGE = 0.03
"""Share of a range, by ratios where it is searched by ratios, that counts as its edge."""


def at_the_edge(space: Sequence[Dimension], values: Mapping[str, Any]) -> list[str]:
    """A line for each dimension at whose edge a point lies, where more may lie beyond: ranges, and
    numbers to choose from. A share's own bounds, such as a dropout of 0, are no edge."""
    lines = []
    for dimension in space:
        name, over = dimension.setting, dimension.over
        if name not in values:
            continue
        value = values[name]
        if isinstance(over, Range):
            low, high, at = (
                (np.log(v) if over.log else v) for v in (over.low, over.high, float(value))
            )
            share = (at - low) / (high - low)
            side = "lower" if share < _EDGE else "upper" if share > 1 - _EDGE else ""
            ends = over.low, over.high
        else:
            if len(over.values) < 2 or not all(_is_number(v) for v in over.values):
                continue
            ends = min(over.values), max(over.values)
            side = "lower" if value == ends[0] else "upper" if value == ends[1] else ""
        bound = ends[0] if side == "lower" else ends[1]
        if side and bound != _NATURAL_BOUNDS.get((name, side)):
            lines.append(
                f"Warning: {name} of the best point, {value:.3g}, lies at the {side} edge of what "
                f"was searched ({over}): widen it with --set {name}=..."
            )
    return lines


_NATURAL_BOUNDS = {("dropout", "lower"): 0.0, ("gamma", "upper"): 1.0}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
