"""Thinned records: fewer rows of a run that has more than its claims and figures need.

Neighboring records become one, as if the run had recorded less often. Quantities over all records
of a trial are measured first and kept in the trial's row, under the names of `UNTHINNED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lenet.config import ConfigError, settings_in
from search_spaces.study import Study
from study.analysis.quantity import OSCILLATION, WHOLE_CURVE, Quantity
from study.analysis.results import Results, select
from study.runs.trial_folder import UNTHINNED, UNTHINNED_EVALUATIONS, UNTHINNED_RECORDS

_RECORDS_PER_TRIAL = (1000, 700, 500, 350, 250, 175, 125, 90, 60, 40, 25, 15, 10)
"""How many records of a trial to keep at its start, and into how many to merge the rest: each is
tried until the table is small enough."""
_EVALUATIONS = (2, 3, 4, 5, 7, 10, 20)
"""How many evaluations become one if that is not enough: tried in turn, too."""

_POSITION = ("trial", "step", "epoch", "samples", "diverged")
HELD_OUT = ("validation_", "test_")
_LAST = ("lr", "train_seconds")
_MEANS = ("train_loss", "train_accuracy")
_LOWEST, _HIGHEST = "lowest_train_loss", "highest_train_loss"
_RATES = {"samples_per_second": "samples", "steps_per_second": "step"}


def thin(
    results: Results, study: Study, fits: Callable[[pd.DataFrame], bool]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Merge records of a run, which are too many, until `fits` accepts the table.

    These records stay as they are: the first ones and the last one of a trial, those with held-out
    data, and those at the moments that the claims of `study` name or that its figures average over.
    Between them, neighbors are merged. The seeds of a point are merged at the same steps.

    If that is not enough, records with held-out data are merged, too: every second, third, ... of
    them stays, besides the last one, those at the moments, and the last record. Such a trial cannot
    be reused.

    A merged record has the step, the time, the learning rate and the evaluation of its last one;
    the training loss and accuracy as means over samples; and the lowest and the highest loss of a
    step.

    Returns: the records; and a row per trial, in the order of `results.trials`, with its number of
        records and quantities over all of them, under names that begin with `UNTHINNED`: those of
        training; or, if evaluations were merged, their number and the quantities that `study`
        names.
    Raises: ConfigError if the records that must stay are too many, or cannot be merged: those of
        range tests, of a model that was observed, and of the user's own metrics.
    """
    records = results.records.sort_values(["trial", "step"], kind="stable").reset_index(drop=True)
    measured = [
        str(name) for name in records if name not in _POSITION and records[name].notna().any()
    ]
    held_out = [name for name in measured if name.startswith(HELD_OUT)]
    training = [name for name in measured if name not in held_out]
    if unknown := {*training} - {*_LAST, *_MEANS, _LOWEST, _HIGHEST, *_RATES}:
        raise ConfigError(
            f"{len(records):,} records are too many, and no rule merges those of "
            f"{', '.join(sorted(unknown))}: train with a larger record_every"
        )
    if results.trials["schedule"].str.startswith("ramp").any():
        raise ConfigError(
            f"{len(records):,} records are too many, and a range test needs each of them: train "
            "with a larger record_every"
        )
    is_needed = _is_kept(results, study, records)
    is_evaluated = records[held_out].notna().any(axis=1)
    most = _most_records_of_point(results, records)
    for count in _RECORDS_PER_TRIAL:
        index = records.groupby("trial").cumcount()
        length = np.ceil((most - count).clip(lower=1) / count)
        blocks = (index - count).floordiv(length)
        is_single = is_needed | is_evaluated | index.lt(count)
        thinned = _merged(records, is_single, blocks, training)
        if fits(thinned):
            names = [f"{reduction}_{column}" for reduction in WHOLE_CURVE for column in training]
            if {_LOWEST, _HIGHEST} <= {*training}:
                names.append(f"{OSCILLATION}_train_loss")
            return thinned, _unthinned(results.trials, records, names)
    evaluations = is_evaluated.astype(int)
    earlier = evaluations.groupby(records["trial"]).cumsum() - evaluations
    is_needed[records[is_evaluated].groupby("trial").tail(1).index] = True
    for count in _EVALUATIONS if is_evaluated.any() else ():
        thinned = _merged(records, is_needed, earlier.floordiv(count), training)
        if fits(thinned):
            unthinned = _unthinned(results.trials, records, _named(study, measured))
            counts = results.trials["trial"].map(evaluations.groupby(records["trial"]).sum())
            return thinned, unthinned.assign(**{UNTHINNED_EVALUATIONS: counts.fillna(0)})
    raise ConfigError(
        f"{len(thinned):,} records are too many, and claims and figures need each of them: train "
        "with a larger record_every"
    )


def _named(study: Study, measured: Sequence[str]) -> list[str]:
    """Return the quantities over whole curves that the claims, tables and figures name."""
    declared = [
        *(claim.options for claim in study.claims),
        *(table.options for table in study.tables),
        *(figure.options for figure in study.figures),
    ]
    found = {name for options in declared for name in _quantities(options)}
    parsed = [Quantity.parse(name) for name in sorted(found)]
    return [each.name for each in parsed if each.reduction and each.column in measured]


def _quantities(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _quantities(value)
        elif name == "quantity":
            yield value
        elif name == "quantities":
            yield from value


def _is_kept(results: Results, study: Study, records: pd.DataFrame) -> pd.Series[bool]:
    """Return which records a claim or a figure needs as they are."""
    kept = pd.Series(data=False, index=records.index)
    for name, value in {moment for claim in study.claims for moment in _moments(claim.options)}:
        if name.endswith("_seconds"):
            until = records[records[name] <= value]
            kept[until.groupby("trial").tail(1).index] = True
        else:
            kept |= np.isclose(records[name], value, rtol=0, atol=1e-9)
    for figure in study.figures:
        if figure.kind != "learning_curves" or not figure.options.get("average"):
            continue
        for settings, _, last in figure.options["panels"]:
            shown = select(results.trials, {**figure.options["where"], **settings})
            kept |= records["trial"].isin(shown["trial"]) & (records["step"] <= last)
    return kept


def _moments(options: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the moments that the options of a claim name; see `study.analysis.quantity.Moment`."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _moments(value)
        elif name in {"step", "epoch"} or name.endswith("_seconds"):
            yield name, value


def _most_records_of_point(results: Results, records: pd.DataFrame) -> pd.Series[int]:
    """Return, for each record, the most records that a seed of its point has."""
    trials = results.trials
    settings = [name for name in settings_in(trials) if name != "seed"]
    counts = trials["trial"].map(records.groupby("trial").size()).fillna(0).astype(int)
    point = trials.groupby(settings, dropna=False).ngroup()
    most = counts.groupby(point).transform("max")
    return records["trial"].map(most.set_axis(trials["trial"]))


def _merged(
    records: pd.DataFrame, is_kept: pd.Series[bool], blocks: pd.Series[int], training: list[str]
) -> pd.DataFrame:
    """Merge the records of a trial that lie in one of its blocks, up to those that are kept."""
    by_trial = records.groupby("trial")
    is_last = by_trial.cumcount().eq(by_trial["step"].transform("size") - 1)
    is_single = is_kept | is_last
    # A kept record splits its block in two.
    begins = is_single | is_single.shift(fill_value=True) | blocks.ne(blocks.shift())
    group = begins.cumsum()
    thinned = records[~group.duplicated(keep="last")].set_axis(group.unique())
    merged_rows = records[group.duplicated(keep=False)]
    groups = group[merged_rows.index]
    covered = records[["step", "samples"]] - by_trial[["step", "samples"]].shift(fill_value=0)

    def mean(values: pd.Series[float], weights: pd.Series[int]) -> pd.Series[float]:
        known = weights[values.index].where(values.notna())
        return (values * known).groupby(groups).sum() / known.groupby(groups).sum()

    for name in training:
        values = merged_rows[name]
        if name in _LAST:
            continue
        if name in _MEANS:
            new = mean(values, covered["samples"])
        elif name in _RATES:
            new = 1 / mean(1 / values, covered[_RATES[name]])
        else:
            by_group = values.groupby(groups)
            new = by_group.min() if name == _LOWEST else by_group.max()
        thinned.loc[new.index, name] = new
    return thinned.reset_index(drop=True)


def _unthinned(trials: pd.DataFrame, records: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    curves = dict(tuple(records.groupby("trial")))
    rows = [
        {UNTHINNED_RECORDS: len(curve)}
        | {f"{UNTHINNED}{name}": Quantity.parse(name).measure(curve) for name in names}
        for curve in (curves.get(trial, records.iloc[:0]) for trial in trials["trial"])
    ]
    new = pd.DataFrame(rows, index=trials.index)
    # A reused trial may have been thinned before: what was measured then stays.
    before = trials.reindex(columns=new.columns).astype(float)
    return new.astype(float).where(before.isna(), before)
