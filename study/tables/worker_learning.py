"""Worker learning: how far several workers end from one that trained the same batches."""

from __future__ import annotations

import pandas as pd

from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import speedups, other_varied_settings
from study.analysis.wording import format_measurement, format_mean
from study.tables.cells import setting_cells, format_workers

_ENDS = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "accuracy, points",
}


def make(results: Results) -> pd.DataFrame:
    """A row per number of Ray's workers and point of strong scaling: the loss and the accuracy of
    the last record less those of one worker of the same repeat, means over repeats with half of
    their 95% interval, and the largest of these differences of the validation loss. Workers sum
    in another order; training amplifies what that rounds off, so single repeats drift apart, to
    either side.

    What was not measured at the last record, or diverged, has no difference.
    """
    shown = speedups(results, weak=False)
    if not shown.empty:
        shown = shown[shown["status"] != "diverged"]
    if shown.empty or shown["workers"].max() == 1:
        return pd.DataFrame()
    by = ["processor", "width", *other_varied_settings(results), "base_batch"]
    keys = [*by, "seed"]
    single = shown[shown["workers"] == 1][[*keys, *_ENDS]]
    paired = shown[shown["workers"] > 1].merge(single, on=keys, suffixes=("", "_of_one"))
    rows = []
    for key, inside in paired.groupby([*by, "workers"], dropna=False):
        cells = dict(zip([*by, "workers"], key, strict=True))
        more = {name: inside[name] - inside[f"{name}_of_one"] for name in _ENDS}
        largest = more["validation_loss"].abs().max()
        rows.append(
            {
                "workers": format_workers(int(str(cells["workers"])), inside),
                **setting_cells(["processor", "width"], [cells["processor"], cells["width"]]),
                **setting_cells(other_varied_settings(results), [cells[name] for name in other_varied_settings(results)]),
                "batch": str(int(inside["batch"].iloc[0])),
                **{called: _mean(name, more[name].dropna()) for name, called in _ENDS.items()},
                "validation loss, at the most": format_measurement("validation_loss", largest),
            }
        )
    return pd.DataFrame(rows)


def _mean(measured: str, values: pd.Series) -> str:
    """With half of its 95% interval; accuracies in points."""
    if values.empty:
        return "-"
    over = statistics.mean(values)
    return format_mean(measured, over.mean, over.half_width)
