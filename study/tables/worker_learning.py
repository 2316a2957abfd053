"""Table: how far training on several workers ends from training the same batches on one."""

from __future__ import annotations

import pandas as pd

from study.analysis import statistics
from study.analysis.quantity import support_of
from study.analysis.results import Results
from study.analysis.speedup import other_varied_settings, speedups
from study.analysis.wording import format_mean, format_measurement
from study.tables.cells import format_workers, setting_cells

_HEADINGS = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "accuracy, points",
}


def make(results: Results) -> pd.DataFrame:
    """Return a row per number of Ray's workers and point of strong scaling.

    Cells are differences: the last record's loss and accuracy minus the values of one worker in the
    same repeat. They are means over repeats with 95% intervals, and the largest difference of the
    validation loss.
    Several workers sum in a different order, and training amplifies rounding errors, so single
    repeats drift apart in either direction.

    Trials that diverged or were not evaluated at the last record have no difference.
    """
    trials = speedups(results, weak=False)
    if not trials.empty:
        trials = trials[trials["status"] != "diverged"]
    if trials.empty or trials["workers"].max() == 1:
        return pd.DataFrame()
    settings = ["processor", "width", *other_varied_settings(results)]
    keys = [*settings, "base_batch", "seed"]
    single = trials[trials["workers"] == 1][[*keys, *_HEADINGS]]
    paired = trials[trials["workers"] > 1].merge(single, on=keys, suffixes=("", "_of_one"))
    rows = []
    for key, point in paired.groupby([*settings, "base_batch", "workers"], dropna=False):
        *values, _, workers = key
        differences = {name: point[name] - point[f"{name}_of_one"] for name in _HEADINGS}
        largest = differences["validation_loss"].abs().max()
        rows.append(
            {
                "workers": format_workers(int(str(workers)), point),
                **setting_cells(settings, values),
                "batch": str(int(point["batch"].iloc[0])),
                **{
                    heading: _mean(name, differences[name].dropna())
                    for name, heading in _HEADINGS.items()
                },
                "validation loss, at the most": format_measurement("validation_loss", largest),
            }
        )
    return pd.DataFrame(rows)


def _mean(measurement: str, values: pd.Series) -> str:
    if values.empty:
        return "-"
    mean = statistics.mean(values, support_of(measurement).of_differences())
    return format_mean(measurement, mean.mean, mean.low, mean.high)
