"""The leaderboard: the points of a study, ranked by its objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lenet.config import settings_in
from lenet.records import Record
from search_spaces.objective import maximized
from search_spaces.search_names import trial_number
from study.analysis import statistics
from study.analysis.points import distinguishing_settings
from study.analysis.quantity import support_of
from study.analysis.range_test import RAMP
from study.analysis.results import Results
from study.analysis.search import is_search, searched_space
from study.runs.trial_folder import COMPLETE

_RECORD_FIELDS = frozenset(Record.__dataclass_fields__)

# These settings identify the table to its reader, even if they do not vary.
_ALWAYS_NAMED = ("dataset", "optimizer", "lr", "batch_size")


def point_settings(results: Results) -> list[str]:
    """Return the settings that identify a point.

    In a search, these are its dimensions; in other runs, the settings that differ between points.
    Data set, optimizer, learning rate and batch size are always included.
    """
    if is_search(results):
        settings = {dimension.setting for dimension in searched_space(results)}
    else:
        settings = set(distinguishing_settings(results))
    return [
        name for name in settings_in(results.trials) if name in settings or name in _ALWAYS_NAMED
    ]


def leaderboard(results: Results) -> pd.DataFrame:
    """Return a row per point, best first.

    Points are ranked by the study's objective at the last record, averaged over the seeds that did
    not diverge. It is usually the validation accuracy, so the test accuracy has no effect on the
    ranking. A point with diverged seeds ranks after all points without, and a larger share of
    diverged seeds after a smaller one. Each data set has its own ranks; equal points share one.

    Trials without a result are excluded (see `count_excluded`). So are the ramps of a learning-rate
    range test, whose final accuracy belongs to no setting, and the trials that confirm a search,
    which exist only for its best points.

    Columns: `rank`; the settings of the point; the objective and, if measured, `test_accuracy` and
    the user's own metric on the test set (means; accuracies in [0, 1]), each with `..._low` and
    `..._high` (the ends of its 95% interval, NaN for one seed; see `study.analysis.statistics`);
    `seeds` (trials with a result); `diverged` and `stopped` (how many of them); `train_seconds`
    (mean of one trial).
    """
    results = without_ramps_and_confirmations(results)
    settings = point_settings(results)
    has_accuracy = results.completed["test_accuracy"].notna().any()
    of_test = [
        "test_accuracy" if has_accuracy else "",
        # The user's own metric is no field of `Record`, but has a test value, too.
        "" if results.objective in _RECORD_FIELDS else _on_test(results.objective),
    ]
    measured = list(
        dict.fromkeys([results.objective, *(n for n in of_test if n in results.completed)])
    )
    rows = [
        dict(zip(settings, key, strict=True)) | _result(trials, measured)
        for key, trials in results.completed.groupby(settings, dropna=False)
    ]
    if not rows:
        return pd.DataFrame(columns=["rank", *settings, *_result(results.trials.head(0), measured)])
    board = pd.DataFrame(rows)
    # Rows come sorted by their settings, and a stable sort keeps ties in that order.
    board = board.assign(_diverged_share=board["diverged"] / board["seeds"]).sort_values(
        ["dataset", "_diverged_share", results.objective],
        ascending=[True, True, not maximized(results.objective)],
        kind="stable",
    )
    ties = _equals_previous(board[["dataset", "_diverged_share", results.objective]])
    board.insert(0, "rank", board.groupby("dataset").cumcount() + 1)
    board["rank"] = board["rank"].mask(ties).ffill().astype(int)
    return board.drop(columns="_diverged_share").reset_index(drop=True)


def _on_test(objective: str) -> str:
    return f"test_{objective.removeprefix('validation_')}"


def _equals_previous(rows: pd.DataFrame) -> pd.Series:
    """Return whether each row equals the one before it; two missing values are equal."""
    previous = rows.shift()
    return ((rows == previous) | (rows.isna() & previous.isna())).all(axis=1)


def without_ramps_and_confirmations(results: Results) -> Results:
    """Return `results` with only the trials that are ranked, and inactive settings unset."""
    trials = results.trials
    excluded = trials["schedule"].astype(str).str.startswith(RAMP)
    if is_search(results):
        excluded |= trials["trial"].map(trial_number).isna()
        trials = trials.copy()
        rows = [{str(name): row[name] for name in row} for row in trials.to_dict("records")]
        for dimension in searched_space(results):  # a search does not choose inactive settings
            inactive = [not dimension.is_active(row) for row in rows]
            if any(inactive):  # an assignment to no row would turn whole numbers into floats, too
                trials.loc[inactive, dimension.setting] = None
    return replace(results, trials=trials[~excluded])


def settings_of(board: pd.DataFrame, objective: str) -> list[str]:
    """Return the columns of a leaderboard that identify its points."""
    return list(board.columns[1 : list(board.columns).index(objective)])


def best_per_optimizer(board: pd.DataFrame) -> pd.DataFrame:
    """Return the best row of each optimizer on each data set, in the order of the ranks."""
    return board.groupby(["dataset", "optimizer"], sort=False).head(1).reset_index(drop=True)


def count_excluded(results: Results) -> dict[str, int]:
    """Return the number of trials without a result, by status."""
    excluded = results.trials[~results.trials["status"].isin(COMPLETE)]
    return {str(status): int(n) for status, n in excluded["status"].value_counts().items()}


def _result(trials: pd.DataFrame, measured: Sequence[str]) -> dict[str, Any]:
    converged = trials[trials["status"] != "diverged"]
    result: dict[str, Any] = {}
    for column in measured:
        over_seeds = statistics.Mean(math.nan, math.nan, math.nan, 0)
        if len(converged):
            over_seeds = statistics.mean(converged[column], support_of(column))
        result[column] = over_seeds.mean
        result[f"{column}_low"], result[f"{column}_high"] = over_seeds.low, over_seeds.high
    return result | {
        "seeds": len(trials),
        "diverged": int((trials["status"] == "diverged").sum()),
        "stopped": int((trials["status"] == "stopped").sum()),
        "train_seconds": trials["train_seconds"].mean(),
    }
