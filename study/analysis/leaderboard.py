"""The points of a study's space, ranked by its objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lenet.config import SETTINGS
from search_spaces.study import maximized
from study.analysis import statistics
from study.analysis.points import telling
from study.analysis.range_test import RAMP
from study.analysis.results import COUNTED, Results
from study.analysis.search import is_search, number_of, space_of

# A table is read away from its run: these say what it is about even where they do not vary.
_ALWAYS = ("dataset", "optimizer", "lr", "batch_size")


def point_settings(results: Results) -> list[str]:
    """The settings that name a point: those that tell the points of this run apart, and data
    set, optimizer, learning rate and batch size in any case; of a search, all that it chose."""
    chosen = (d.setting for d in space_of(results)) if is_search(results) else telling(results)
    named = {*chosen, *_ALWAYS}
    return [name for name in SETTINGS if name in named]


def leaderboard(results: Results) -> pd.DataFrame:
    """One row per point, best first. The ramps of a learning-rate range test are no points: what
    they end with says nothing of a setting. Nor are the trials that confirm a search: only its best
    have any, and these are judged by them alone.

    Points are ranked by the objective of the study at the trials' last record, averaged over
    the seeds that did not diverge: the validation accuracy, as a rule, so that selection is
    on validation data; the test accuracy stands beside it and takes no part. A point that
    diverged with some seed ranks after all that never did, a larger share of diverged seeds
    after a smaller one. Ranks count within a data set. Trials that failed or are unfinished
    are left out (see `left_out`).

    Columns: `rank`, the settings of the point, the objective and `test_accuracy` (means;
    accuracies in [0, 1]; the latter left out where nothing has one) each with `..._ci95` (half
    of the 95% Student-t interval, missing for one seed), `seeds` (counted trials), `diverged`
    and `stopped` (how many of them), `train_seconds` (mean of one trial).
    """
    results = _points_alone(results)
    settings = point_settings(results)
    has_accuracy = results.counted["test_accuracy"].notna().any()
    measured = list(
        dict.fromkeys([results.objective, *(["test_accuracy"] if has_accuracy else [])])
    )
    rows = [
        dict(zip(settings, key, strict=True)) | _result(trials, measured)
        for key, trials in results.counted.groupby(settings, dropna=False)
    ]
    if not rows:
        return pd.DataFrame(columns=["rank", *settings, *_result(results.trials.head(0), measured)])
    board = pd.DataFrame(rows)
    # The rows come sorted by their settings; a stable sort leaves ties in that order.
    board = (
        board.assign(_diverged_share=board["diverged"] / board["seeds"])
        .sort_values(
            ["dataset", "_diverged_share", results.objective],
            ascending=[True, True, not maximized(results.objective)],
            kind="stable",
        )
        .drop(columns="_diverged_share")
    )
    board.insert(0, "rank", board.groupby("dataset").cumcount() + 1)
    return board.reset_index(drop=True)


def _points_alone(results: Results) -> Results:
    trials = results.trials
    left_out = trials["schedule"].str.startswith(RAMP)
    if is_search(results):
        left_out |= trials["trial"].map(number_of).isna()
        trials = trials.copy()
        rows = [{str(name): row[name] for name in row} for row in trials.to_dict("records")]
        for dimension in space_of(results):  # what a trial has no use for was not chosen
            unused = [not dimension.present(row) for row in rows]
            trials.loc[unused, dimension.setting] = None
    return replace(results, trials=trials[~left_out])


def best_per_optimizer(board: pd.DataFrame) -> pd.DataFrame:
    """The first row of each optimizer (on each data set), in the order of the ranks."""
    return board.groupby(["dataset", "optimizer"], sort=False).head(1).reset_index(drop=True)


def left_out(results: Results) -> dict[str, int]:
    """How many trials of each status the leaderboard does not count."""
    rest = results.trials[~results.trials["status"].isin(COUNTED)]
    return {str(status): int(n) for status, n in rest["status"].value_counts().items()}


def _result(trials: pd.DataFrame, measured: Sequence[str]) -> dict[str, Any]:
    converged = trials[trials["status"] != "diverged"]
    result: dict[str, Any] = {}
    for column in measured:
        result[column] = result[f"{column}_ci95"] = math.nan
        if len(converged):
            over_seeds = statistics.mean(converged[column])
            result[column] = over_seeds.mean
            result[f"{column}_ci95"] = over_seeds.half_width
    return result | {
        "seeds": len(trials),
        "diverged": int((trials["status"] == "diverged").sum()),
        "stopped": int((trials["status"] == "stopped").sum()),
        "train_seconds": trials["train_seconds"].mean(),
    }
