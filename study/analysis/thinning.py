"""Thinned records: fewer rows of a run that has more than its claims and figures need.

Neighboring records become one, as if the run had recorded less often. What a claim may ask of all
records of a trial is measured first and kept in the trial's row, under the names of `UNTHINNED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import settings_in
from lenet.records import TIMING
from search_spaces.study import Study
from study.analysis.quantity import WHOLE_CURVE, Quantity
from study.analysis.results import Results, select
from study.runs.trial_folder import UNTHINNED

_DETAILS = (1000, 700, 500, 350, 250, 175, 125, 90, 60, 40)
"""How many records of a trial to keep at its start, and into how many to merge the rest: each is
tried until the table is small enough."""

_NOT_MEASURED = frozenset({"trial", "step", "epoch", "samples", "lr", "diverged"}) | TIMING
_HELD_OUT = ("validation_", "test_")
_MEANS = ("train_loss", "train_accuracy")
_LOWEST, _HIGHEST = "lowest_train_loss", "highest_train_loss"
_RATES = ("samples_per_second", "steps_per_second")


def thin(
    results: Results, study: Study, fits: Callable[[pd.DataFrame], bool]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the records of a run, as many as `fits` accepts, and what merging them would lose.

    That is a row per trial, in the order of `results.trials`: its number of records and the
    quantities over all of them, under names that begin with `UNTHINNED`. It has no columns if all
    records fit.

    These records stay as they are: the first ones and the last one of a trial, those with held-out
    data, and those at the steps that the claims of `study` name or that its figures average over.
    Between them, neighbors are merged. The seeds of a point are merged at the same steps.

    A merged record has the step, the time and the learning rate of its last one; the mean training
    loss and accuracy; and the lowest and the highest loss of a step.

    Raises: ValueError if the records that must stay are too many, or the model or the user's own
        metrics measured numbers that have no rule for merging.
    """
    records = results.records.sort_values(["trial", "step"], kind="stable").reset_index(drop=True)
    if fits(records):
        return records, pd.DataFrame(index=results.trials.index)
    columns = [str(c) for c in records if c not in _NOT_MEASURED]
    measured = [c for c in columns if records[c].notna().any()]
    held_out = [c for c in measured if c.startswith(_HELD_OUT)]
    training = [c for c in measured if c not in held_out]
    if unknown := set(training) - {*_MEANS, _LOWEST, _HIGHEST}:
        raise ValueError(f"no rule merges records of {', '.join(sorted(unknown))}")
    stays = _must_stay(results, study, records) | records[held_out].notna().any(axis=1)
    longest = _longest_of_point(results, records)
    for detail in _DETAILS:
        thinned = _merged(records, stays, longest, detail)
        if fits(thinned):
            return thinned, _unthinned(results.trials, records, training)
    raise ValueError(f"{len(thinned):,} records are too many, and no more can be merged")


def _must_stay(results: Results, study: Study, records: pd.DataFrame) -> pd.Series[bool]:
    """Return which records a claim or a figure needs as they are."""
    named = {step for claim in study.claims for step in _steps_in(claim.options)}
    stays = records["step"].isin(named)
    for figure in study.figures:
        if not figure.options.get("average"):
            continue
        for settings, _, last in figure.options["panels"]:
            shown = select(results.trials, {**figure.options["where"], **settings})
            stays |= records["trial"].isin(shown["trial"]) & (records["step"] <= last)
    return stays


def _steps_in(options: Mapping[str, Any]) -> Iterator[int]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _steps_in(value)
        elif name == "step":
            yield value


def _longest_of_point(results: Results, records: pd.DataFrame) -> pd.Series[int]:
    """Return, for each record, the most records that a seed of its point has."""
    trials = results.trials
    settings = [name for name in settings_in(trials) if name != "seed"]
    counts = trials["trial"].map(records.groupby("trial").size()).fillna(0).astype(int)
    point = trials.groupby(settings, dropna=False).ngroup()
    longest = counts.groupby(point).transform("max")
    return records["trial"].map(longest.set_axis(trials["trial"]))


def _merged(
    records: pd.DataFrame, stays: pd.Series[bool], longest: pd.Series[int], detail: int
) -> pd.DataFrame:
    by_trial = records.groupby("trial")
    index = by_trial.cumcount()
    is_last = index.eq(by_trial["step"].transform("size") - 1)
    length = np.ceil((longest - detail).clip(lower=1) / detail)
    block = (index - detail).floordiv(length)
    alone = stays | is_last | index.lt(detail)
    # A record that stays ends the block before it, which goes on behind it under another number.
    begins = alone | alone.shift(fill_value=True) | block.ne(block.shift())
    group = begins.cumsum()
    thinned = records[~group.duplicated(keep="last")].set_axis(group.unique())
    several = group[group.duplicated(keep=False)].unique()
    parts = records[group.isin(several)]
    of = group[parts.index]
    covered = _steps_covered(records)[parts.index]
    total = covered.groupby(of).sum()
    merged = {c: (parts[c] * covered).groupby(of).sum() / total for c in _MEANS}
    merged |= {c: total / (covered / parts[c]).groupby(of).sum() for c in _RATES}
    merged[_LOWEST] = parts[_LOWEST].groupby(of).min()
    merged[_HIGHEST] = parts[_HIGHEST].groupby(of).max()
    for column, values in merged.items():
        thinned.loc[several, column] = values
    return thinned.reset_index(drop=True)


def _steps_covered(records: pd.DataFrame) -> pd.Series[float]:
    """Return the number of steps since the previous record of the same trial."""
    return records["step"] - records.groupby("trial")["step"].shift(fill_value=0)


def _unthinned(trials: pd.DataFrame, records: pd.DataFrame, training: list[str]) -> pd.DataFrame:
    curves = dict(tuple(records.groupby("trial")))
    names = [f"{reduction}_{column}" for reduction in WHOLE_CURVE for column in training]
    rows = [
        {f"{UNTHINNED}records": len(curve)}
        | {f"{UNTHINNED}{name}": Quantity.parse(name).measure(curve) for name in names}
        for curve in (curves.get(trial, records.iloc[:0]) for trial in trials["trial"])
    ]
    return pd.DataFrame(rows, index=trials.index)
