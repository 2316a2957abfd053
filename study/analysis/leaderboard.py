"""The points of a study's space, ranked by validation accuracy."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from lenet.config import SETTINGS
from study.analysis import statistics
from study.analysis.tables import COUNTED, Tables

# A table is read away from its run: these say what it is about even where they do not vary.
_ALWAYS = ("dataset", "optimizer", "lr", "batch_size")


def point_settings(tables: Tables) -> list[str]:
    """The settings that name a point: those varied in this run (except the seed), and
    data set, optimizer, learning rate and batch size in any case."""
    varied = {*tables.varied, *_ALWAYS}
    return [name for name in SETTINGS if name in varied]


def leaderboard(tables: Tables) -> pd.DataFrame:
    """One row per point, best first.

    Selection is on validation data: points are ranked by the validation accuracy of the
    trials' last record, averaged over the seeds that did not diverge; the test accuracy
    stands beside it and takes no part. A point that diverged with some seed ranks after
    all that never did, a larger share of diverged seeds after a smaller one. Ranks count
    within a data set. Trials that failed or are unfinished are left out (see `left_out`).

    Columns: `rank`, the settings of the point, `validation_accuracy` and `test_accuracy`
    (means, in [0, 1]) each with `..._ci95` (half of the 95% Student-t interval, missing
    for one seed), `seeds` (counted trials), `diverged` and `stopped` (how many of them),
    `train_seconds` (mean of one trial).
    """
    settings = point_settings(tables)
    rows = [
        dict(zip(settings, key, strict=True)) | _result(trials)
        for key, trials in tables.counted.groupby(settings, dropna=False)
    ]
    if not rows:
        return pd.DataFrame(columns=["rank", *settings, *_result(tables.trials.head(0))])
    board = pd.DataFrame(rows)
    # The rows come sorted by their settings; a stable sort leaves ties in that order.
    board = (
        board.assign(_diverged_share=board["diverged"] / board["seeds"])
        .sort_values(
            ["dataset", "_diverged_share", "validation_accuracy"],
            ascending=[True, True, False],
            kind="stable",
        )
        .drop(columns="_diverged_share")
    )
    board.insert(0, "rank", board.groupby("dataset").cumcount() + 1)
    return board.reset_index(drop=True)


def best_per_optimizer(board: pd.DataFrame) -> pd.DataFrame:
    """The first row of each optimizer (on each data set), in the order of the ranks."""
    return board.groupby(["dataset", "optimizer"], sort=False).head(1).reset_index(drop=True)


def left_out(tables: Tables) -> dict[str, int]:
    """How many trials of each status the leaderboard does not count."""
    rest = tables.trials[~tables.trials["status"].isin(COUNTED)]
    return {str(status): int(n) for status, n in rest["status"].value_counts().items()}


def _result(trials: pd.DataFrame) -> dict[str, Any]:
    converged = trials[trials["status"] != "diverged"]
    result: dict[str, Any] = {}
    for column in ("validation_accuracy", "test_accuracy"):
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
