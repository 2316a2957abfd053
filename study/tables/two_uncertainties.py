"""Table: what seeds and test images each leave uncertain about the best test accuracies."""

from __future__ import annotations

import pandas as pd

from study.analysis.image_sampling import TEST_IMAGES, Uncertainties, uncertainties
from study.analysis.leaderboard import best_per_optimizer, leaderboard, settings_of
from study.analysis.results import Results, select
from study.analysis.wording import format_mean, format_percent
from study.analysis.workloads import grid_trials, is_compared
from study.tables.cells import setting_cells


def make(results: Results) -> pd.DataFrame:
    """Return a row for the best point of each optimizer on each data set, in percent.

    Points with diverged seeds, results without a test accuracy, and data sets with an unknown
    number of test images are left out.
    """
    if not is_compared(results) or results.trials["test_accuracy"].isna().all():
        return pd.DataFrame()
    board = leaderboard(results)
    settings = settings_of(board, results.objective)
    trials = grid_trials(results)
    rows = []
    for row in best_per_optimizer(board).to_dict("records"):
        point = select(trials, {name: row[name] for name in settings})
        accuracies = point["test_accuracy"]
        images = TEST_IMAGES.get(row["dataset"])
        if images is None or row["diverged"] or accuracies.isna().any():
            continue
        found = uncertainties(accuracies.tolist(), images)
        rows.append(
            setting_cells(settings, (row[name] for name in settings))
            | _cells(found)
            | {"seeds": str(len(accuracies)), "test images": f"{images:,}"}
        )
    return pd.DataFrame(rows)


def _cells(found: Uncertainties) -> dict[str, str]:
    mean = found.over_seeds
    larger = "seeds" if found.seeds_error > found.images_error else "images"
    return {
        "test %": format_mean("test_accuracy", mean.mean, mean.low, mean.high),
        "standard error from seeds": format_percent(found.seeds_error),
        "standard error from images, at most": format_percent(found.images_error),
        "larger": larger if found.seeds_error == found.seeds_error else "-",
        "both, 95% ± at most": format_percent(found.both_margin),
    }
