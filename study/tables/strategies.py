"""Table: DistributedDataParallel compared with other ways to share a step."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results
from study.analysis.speedup import main_strategy, other_varied_settings, scaling_trials
from study.tables.cells import format_repeats, format_workers, setting_cells


def make(results: Results) -> pd.DataFrame:
    """Return a row per other strategy, and per point that it and the main one both trained.

    Cells are paired by repeat: means with 95% intervals.

    - `steps/s, ratio`: steps per second of the main strategy divided by those of the other.
    - `communication`: of the main strategy and of the other, in ms per step. It is what the
      backward pass does not hide, and includes the wait for the slowest worker.

    `nn.DataParallel` runs in one process that Ray has not launched, and its communication is not
    timed. It is compared with Ray's workers.
    """
    trials = scaling_trials(results)
    if trials.empty:
        return pd.DataFrame()
    main = main_strategy(trials)
    point = ["processor", "workers", "width", "batch_size", *other_varied_settings(results)]
    keys = [*point, "against", "seed"]
    # Ray's workers stand beside the plain process of `dp`.
    trials = trials.assign(against=trials["launcher"].replace("plain", "ray"))
    others = trials[(trials["workers"] > 1) & (trials["strategy"] != main)]
    paired = trials[trials["strategy"] == main].merge(others, on=keys, suffixes=("", "_other"))
    rows = []
    for key, group in paired.groupby(["strategy_other", "launcher_other", *point], dropna=False):
        strategy, launcher, *values = key
        settings = dict(zip(point, values, strict=True))
        settings["batch_size"] = group["batch"].iloc[0]
        others_ms = 1e3 * group["communication_seconds_other"]
        rows.append(
            {
                f"{main} against": str(strategy),
                "launcher": str(launcher),
                "workers": format_workers(int(str(settings.pop("workers"))), group),
                **setting_cells(list(settings), settings.values()),
                "steps/s, ratio": format_repeats(
                    group["steps_per_second"] / group["steps_per_second_other"]
                ),
                f"communication of {main}, ms": format_repeats(
                    1e3 * group["communication_seconds"]
                ),
                "communication of the other, ms": "-"
                if strategy == "dp"
                else format_repeats(others_ms),
            }
        )
    return pd.DataFrame(rows)
