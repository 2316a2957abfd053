"""Importance of each setting of a search: Optuna's fANOVA, with its spread over seeds.

fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014) fits a random forest to the finished trials and
splits the forest's variance among the settings. Optuna normalizes the shares of single settings to
a sum of 1, so variance that only combinations of settings explain is left out. A range counts
uniformly, even where values were drawn on a log scale (optuna 5.0, `transform_log=False`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, create_trial

from search_spaces.objective import maximized
from search_spaces.space import Choice, Range
from study.analysis.results import Results
from study.analysis.search import (
    MIN_FOR_IMPORTANCES,
    finished_trials,
    quiet_optuna,
    search_objectives,
    search_trials,
    searched_space,
)

EVALUATOR_SEEDS = range(5)
"""Seeds of fANOVA's forest. They move an importance by about 0.1.

Source: `benchmarks/importance_trials.py`.
"""

_Point = tuple[tuple[str, Any], ...]
"""the active settings of a trial with their values"""


@dataclass(frozen=True)
class Importance:
    """The share of the first objective's variance that a setting explains."""

    setting: str
    shares: tuple[float, ...]
    """in [0, 1], one per seed of `EVALUATOR_SEEDS`"""
    trials: int
    """number of finished trials that have the setting; only these count"""
    conditional: bool
    """whether only some trials have the setting; its share is then a share of their variance"""

    @property
    def mean(self) -> float:
        return sum(self.shares) / len(self.shares)

    @property
    def low(self) -> float:
        return min(self.shares)

    @property
    def high(self) -> float:
        return max(self.shares)


def importances(results: Results) -> list[Importance]:
    """Return the importance of each setting: unconditional ones first, the largest mean first.

    Equal to `optuna.importance.get_param_importances` on the search's database with
    `FanovaImportanceEvaluator(seed=...)`. A conditional setting is judged among the trials that
    have it, together with the unconditional settings (Optuna's argument `params`). Settings with
    fewer than `MIN_FOR_IMPORTANCES` finished trials are left out.
    """
    points, values = _points(results)
    domains = tuple((d.setting, d.domain) for d in searched_space(results))
    found = _shares(points, values, domains, maximized(search_objectives(results)[0]))
    return sorted(found, key=lambda one: (one.conditional, -one.mean))


def left_out(results: Results) -> dict[str, int]:
    """Return, for each setting with too few finished trials for a share, how many it has."""
    points, _ = _points(results)
    counts = {d.setting: 0 for d in searched_space(results)}
    for name, _ in itertools.chain.from_iterable(points):
        counts[name] += 1
    return {name: count for name, count in counts.items() if count < MIN_FOR_IMPORTANCES}


def _points(results: Results) -> tuple[tuple[_Point, ...], tuple[float, ...]]:
    """Return the settings and the objective of each finished trial, by number.

    Optuna has them in this order, and the bootstraps of fANOVA's forest depend on it.
    """
    objective = search_objectives(results)[0]
    trials = finished_trials(search_trials(results)).dropna(subset=objective)
    space = searched_space(results)
    points = []
    for row in trials.to_dict("records"):
        point = {str(name): value for name, value in row.items()}
        points.append(tuple((d.setting, point[d.setting]) for d in space if d.is_active(point)))
    return tuple(points), tuple(trials[objective])


# Cached because the figures and the table of one report need the same shares.
@functools.lru_cache(maxsize=1)
def _shares(
    points: Sequence[_Point],
    values: Sequence[float],
    domains: Sequence[tuple[str, Range | Choice]],
    maximize: bool,
) -> tuple[Importance, ...]:
    if len(points) < MIN_FOR_IMPORTANCES or len(set(values)) < 2:
        return ()
    distributions = {name: _distribution(domain) for name, domain in domains}
    counts = {name: sum(name in dict(point) for point in points) for name in distributions}
    shared = [name for name, count in counts.items() if count == len(points)]
    with quiet_optuna():
        study = optuna.create_study(direction="maximize" if maximize else "minimize")
        study.add_trials(
            [_trial(dict(p), v, distributions) for p, v in zip(points, values, strict=True)]
        )
        by_seed = [_evaluate(study, None, seed) for seed in EVALUATOR_SEEDS]
        found = [
            Importance(name, tuple(shares[name] for shares in by_seed), len(points), False)
            for name in shared
        ]
        for name, count in counts.items():
            having = {v for p, v in zip(points, values, strict=True) if name in dict(p)}
            if name in shared or count < MIN_FOR_IMPORTANCES or len(having) < 2:
                continue
            by_seed = [_evaluate(study, [*shared, name], seed) for seed in EVALUATOR_SEEDS]
            found.append(Importance(name, tuple(s[name] for s in by_seed), count, True))
    return tuple(found)


def _trial(
    point: dict[str, Any], value: float, distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    return create_trial(
        value=value, params=point, distributions={name: distributions[name] for name in point}
    )


def _evaluate(study: optuna.Study, params: list[str] | None, seed: int) -> dict[str, float]:
    evaluator = FanovaImportanceEvaluator(seed=seed)
    shares = get_param_importances(study, evaluator=evaluator, params=params)
    return {name: float(share) for name, share in shares.items()}


def _distribution(domain: Range | Choice) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.values)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)
