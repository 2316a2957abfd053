"""Two runs compared: the same points side by side, and what else differs between the runs.

A point is what a run trains with several seeds. Points of two runs are the same if they agree in
the settings that vary within either run. A setting that is constant within each run but differs
between them does not keep points apart. It is listed as a difference between the runs: a run with
5 epochs is compared with a run with 10.

Where both runs have two seeds or more in common, the difference is paired by seed
(`study.analysis.paired`), because a seed has the same initial weights and order of samples in both.
Otherwise, or if the runs train on different data sets, Welch's test compares them
(`study.analysis.unpaired`). Over all points, the unit of evidence is the seed: each seed's
difference is first averaged over the points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lenet.config import ConfigError, settings_in
from study.analysis import paired, unpaired
from study.analysis.points import ALWAYS_NAMED
from study.analysis.quantity import Quantity
from study.analysis.results import Results
from study.analysis.run_differences import differing_facts
from study.analysis.run_points import (
    Key,
    point_key,
    point_names,
    ranked_trials,
    setting_column,
    values_as_text,
)
from study.analysis.statistics import CONFIDENCE
from study.analysis.thinning import HELD_OUT
from study.analysis.workloads import values_by_seed
from study.runs.trial_folder import UNTHINNED_EVALUATIONS, UNTHINNED_RECORDS

_LEAST_SEEDS = 2
_MAX_NAMED = 6
"""The most settings that the message on runs without a common point names."""


@dataclass(frozen=True)
class Side:
    """A run to compare: its name and its tables."""

    name: str
    results: Results


@dataclass(frozen=True)
class Overall:
    """The difference (second minus first) over all points that both runs have."""

    mean: float
    low: float
    high: float
    """ends of the 95% interval; NaN for one seed"""
    p: float
    """two-sided, corrected for the number of comparisons by Holm's rule; NaN for one seed"""
    seeds: int
    """number of paired seeds; 0 if the runs share too few seeds to pair them"""
    is_equal: bool
    """whether every seed gave exactly the same values in both runs"""


@dataclass(frozen=True)
class RunComparison:
    """The comparison of a run with the first run."""

    first: Side
    second: Side
    quantity: str
    """what is compared: a column of `trials`, at the last record, or what
    `study.analysis.quantity.Quantity` measures on the records; a trial that diverged has the
    worst value, see `Quantity.worst`"""
    settings: list[str]
    """the columns that distinguish the points"""
    points: pd.DataFrame
    """a row per point of both runs: the settings; `first` and `second` (means over the seeds that
    are compared); `difference`, second minus first, with `low` and `high`, its 95% interval; `p`,
    corrected for the number of points by Holm's rule; `paired` (number of seeds that both runs
    have and that are compared; 0: all seeds are compared, not paired); `first_seeds` and
    `second_seeds` (all seeds of the point)"""
    only_first: pd.DataFrame
    """the settings of the points that the second run lacks"""
    only_second: pd.DataFrame
    differing: pd.DataFrame
    """a row per difference between the runs: `what`, `first`, `second`, as text"""
    overall: Overall

    @property
    def differing_points(self) -> int:
        """The number of points that differ at the 95% level, corrected for their number."""
        return int((self.points["p"] < 1 - CONFIDENCE).sum())


def compare_runs(sides: Sequence[Side], quantity: str | None = None) -> list[RunComparison]:
    """Compare every other run with the first one.

    `quantity`: that of a `RunComparison`; None: the one by which the first run ranks its points.

    Raises: ConfigError if a run shares no point with the first, or lacks the quantity.
    """
    first, *others = sides
    if not others:
        raise ConfigError(f"one run, {first.name}, compares nothing: name two or more")
    chosen = first.results.objective if quantity is None else quantity
    first, *others = (_measured(side, chosen) for side in sides)
    for side in (first, *others):
        _check_measured(side, chosen)
    found = [_compare(first, other, chosen) for other in others]
    corrected = paired.holm([comparison.overall.p for comparison in found])
    return [
        replace(comparison, overall=replace(comparison.overall, p=p))
        for comparison, p in zip(found, corrected, strict=True)
    ]


def _measured(side: Side, quantity: str) -> Side:
    """Return the run with `quantity` as a column of its trials, if its records have it.

    Raises: ConfigError if the records of some trials do not tell its value.
    """
    results, parsed = side.results, Quantity.parse(quantity)
    if quantity in results.trials or parsed.column not in results.records.select_dtypes("number"):
        return side
    values = parsed.of_trials(results.trials, results.records.sort_values("step"))
    trials = results.trials.assign(**{quantity: values})
    measured = replace(side, results=replace(results, trials=trials))
    trials = ranked_trials(measured.results)
    ended = trials[trials["status"] != "diverged"]
    if ended[quantity].isna().all():
        return side  # which `_check_measured` refuses
    if ended[quantity].isna().any():
        raise ConfigError(
            f"{side.name} has not measured {parsed.column} at the records that {quantity} needs: "
            "choose another quantity with --by; --set test_curve=true would test at every record"
        )
    # While evaluations are whole, so is what is measured on them.
    is_held_out = parsed.column.startswith(HELD_OUT)
    count = UNTHINNED_EVALUATIONS if is_held_out else UNTHINNED_RECORDS
    if count in ended and (ended[count].notna() & parsed.unthinned(ended).isna()).any():
        raise ConfigError(
            f"the records of {side.name} were thinned, so its {quantity} is lost: choose another "
            f"quantity with --by, such as {parsed.column}"
        )
    return measured


def measured_quantities(results: Results) -> list[str]:
    """Return the columns of `trials` that hold a measurement of some trial with a result."""
    trials = results.completed
    settings = set(settings_in(trials))
    numeric = trials.select_dtypes("number").columns
    return [str(name) for name in numeric if name not in settings and trials[name].notna().any()]


def _share_data(names: Sequence[str], one: Results, other: Results) -> bool:
    """Return True if equal points have one data set, so that a seed orders the same samples."""
    datasets = [set(results.completed["dataset"]) for results in (one, other)]
    return "dataset" in names or datasets[0] == datasets[1]


def _check_measured(side: Side, quantity: str) -> None:
    if side.results.completed.empty:
        raise ConfigError(f"no trial of {side.name} has a result: omit this run")
    if ranked_trials(side.results).empty:
        raise ConfigError(
            f"{side.name} has only ramps of a range test, whose last values belong to no setting: "
            "omit this run"
        )
    known = measured_quantities(side.results)
    if quantity not in known:
        raise ConfigError(
            f"{side.name} has not measured {quantity}: choose another quantity with --by, of "
            f"{', '.join(sorted(n for n in known if n.endswith(('accuracy', 'loss', 'seconds'))))}"
        )


def _compare(first: Side, second: Side, quantity: str) -> RunComparison:
    names = point_names(first.results, second.results)
    ours, theirs = (dict(_points(side.results, names, quantity)) for side in (first, second))
    shared = [key for key in ours if key in theirs]
    if not shared:
        tables = [ranked_trials(side.results) for side in (first, second)]
        raise ConfigError(
            f"{first.name} and {second.name} have no point in common: "
            f"{_apart(names, ours, theirs, tables)}"
        )
    if not _share_data(names, first.results, second.results):
        # Equal seeds have nothing in common then. Renumber one side, so that no seeds are paired.
        theirs = {key: values.set_axis(-1 - values.index) for key, values in theirs.items()}
    rows = [_row(ours[key], theirs[key]) for key in shared]
    table = pd.DataFrame(rows)
    table["p"] = paired.holm(table["p"].tolist())
    points = pd.concat([_settings_frame(names, shared), table], axis="columns")
    return RunComparison(
        first=first,
        second=second,
        quantity=quantity,
        settings=names,
        points=points,
        only_first=_settings_frame(names, [key for key in ours if key not in theirs]),
        only_second=_settings_frame(names, [key for key in theirs if key not in ours]),
        differing=differing_facts(first.results, second.results, names),
        overall=_overall([(ours[key], theirs[key]) for key in shared]),
    )


def _points(
    results: Results, names: Sequence[str], quantity: str
) -> Iterator[tuple[Key, pd.Series]]:
    """Yield the points of a run, each with its values by seed."""
    trials = ranked_trials(results)
    keys = [point_key(row, names) for row in trials.to_dict("records")]
    for key in dict.fromkeys(keys):
        point = trials[[other == key for other in keys]]
        values = values_by_seed(point.drop_duplicates("seed"), quantity).dropna()
        if len(values):
            yield key, values.sort_index()


def _settings_frame(names: Sequence[str], keys: Sequence[Key]) -> pd.DataFrame:
    return pd.DataFrame(keys, columns=list(names), dtype=object)


def _row(ours: pd.Series, theirs: pd.Series) -> dict[str, Any]:
    counts = {"first_seeds": len(ours), "second_seeds": len(theirs)}
    shared = ours.index.intersection(theirs.index)
    if len(shared) < _LEAST_SEEDS:
        apart = unpaired.difference(ours, theirs)
        return {
            **{"first": ours.mean(), "second": theirs.mean(), "difference": apart.mean},
            **{"low": apart.low, "high": apart.high, "p": apart.p, "paired": 0},
            **counts,
        }
    compared = paired.compare(_differences(ours, theirs, shared).to_numpy()[:, None])
    return {
        **{"first": ours.loc[shared].mean(), "second": theirs.loc[shared].mean()},
        **{"difference": compared.mean, "low": compared.low, "high": compared.high},
        **{"p": compared.p_seeds, "paired": len(shared)},
        **counts,
    }


def _differences(ours: pd.Series, theirs: pd.Series, seeds: pd.Index) -> pd.Series:
    """Return second minus first by seed; 0 for two infinite losses."""
    one, other = ours.loc[seeds], theirs.loc[seeds]
    return (other - one).where(one != other, 0.0)


def _overall(points: Sequence[tuple[pd.Series, pd.Series]]) -> Overall:
    shared = _common([ours.index.intersection(theirs.index) for ours, theirs in points])
    differences = pd.DataFrame(
        {i: _differences(one, other, shared) for i, (one, other) in enumerate(points)}
    )
    is_equal = len(shared) > 0 and bool((differences == 0).all(axis=None))
    if len(shared) >= _LEAST_SEEDS:
        compared = paired.compare(differences.to_numpy())
        return Overall(
            mean=compared.mean,
            low=compared.low,
            high=compared.high,
            p=compared.p_seeds,
            seeds=len(shared),
            is_equal=is_equal,
        )
    sides = []
    for values in zip(*points, strict=True):
        seeds = _common([of_point.index for of_point in values])
        sides.append(pd.DataFrame({i: v.loc[seeds] for i, v in enumerate(values)}).mean(axis=1))
    if min(map(len, sides)) == 0:  # the points have different seeds
        sides = [
            pd.Series([sum(v.mean() for v in of_side) / len(points)])
            for of_side in zip(*points, strict=True)
        ]
    apart = unpaired.difference(*sides)
    return Overall(
        mean=apart.mean, low=apart.low, high=apart.high, p=apart.p, seeds=0, is_equal=is_equal
    )


def _common(indices: Sequence[pd.Index]) -> pd.Index:
    found = indices[0]
    for index in indices[1:]:
        found = found.intersection(index)
    return found


def _apart(
    names: Sequence[str],
    ours: Iterable[Key],
    theirs: Iterable[Key],
    tables: Sequence[pd.DataFrame],
) -> str:
    """Say which settings have no common value, and with which runs points would match.

    A setting that is constant within each run keeps no points apart. Where it says what is trained,
    it is named nevertheless, since it tells the reader most about the runs.
    """
    values = {
        name: [pd.Series([key[i] for key in keys], dtype=object) for keys in (ours, theirs)]
        for i, name in enumerate(names)
    }
    separating = [name for name, (one, other) in values.items() if not set(one) & set(other)]
    for name in ALWAYS_NAMED:
        if name not in values:
            values[name] = [setting_column(table, name) for table in tables]
    order = [*ALWAYS_NAMED, *(name for name in separating if name not in ALWAYS_NAMED)]
    differing = [name for name in order if not set(values[name][0]) & set(values[name][1])]
    listed = [
        f"{name} ({' against '.join(_few(name, side) for side in values[name])})"
        for name in differing[:_MAX_NAMED]
    ]
    if more := len(differing) - len(listed):
        listed.append(f"{more} more")
    wanted = f"values of {', '.join(separating)}"
    if not separating:
        wanted = f"a combination of {', '.join(names)}"
    differ = f"they differ in {', '.join(listed)}; " if listed else ""
    return f"{differ}choose runs that share {wanted}"


def _few(name: str, column: pd.Series) -> str:
    """Return the values of a setting, at most three of those that are no numbers."""
    texts = values_as_text(name, column).split(", ")
    return ", ".join(texts[:3]) + (", ..." if texts[3:] else "")
