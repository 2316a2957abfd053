"""A made-up run of Fan's study: its real plan, with curves from a formula.

Every number in its tables is known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import TrainConfig
from search_spaces.fan import FAN as STUDY
from study.analysis.results import Results
from study.runs.metadata import DatasetInfo, RunMetadata

EPOCHS = 5
SECONDS = 12.5


def final_accuracy(config: TrainConfig) -> float:
    """Return the validation accuracy of a config at its last epoch.

    The test accuracy is 0.01 lower. Seeds are 0.002 apart.
    """
    best_lr = {"sgd": 0.1, "adam": 0.001}.get(config.optimizer, 0.01)
    decades = abs(math.log10(config.lr / best_lr))
    return 0.98 - 0.03 * decades - 0.01 * math.log2(config.batch_size / 32) + 0.002 * config.seed


def made_up_run(
    seeds: int = 1,
    choices: Mapping[str, Sequence[Any]] | None = None,
    status: Mapping[str, str] | None = None,
    budget: str = "quick",
) -> Results:
    """Return the tables of a run with `choices` of settings.

    `status`: status of trials by the beginning of their names. A `diverged` trial ends in epoch 3,
    a `stopped` one after epoch 2, a `failed` or `unfinished` one after epoch 1.
    """
    plan = STUDY.with_choices(choices or {}).plan(budget, seeds)
    trials, records = [], []
    for planned in plan:
        state = next(
            (s for k, s in (status or {}).items() if planned.name.startswith(k)), "finished"
        )
        curve = _curve(planned.config, state)
        records += [{"trial": planned.name, **row} for row in curve]
        best = max(curve, key=lambda row: row["validation_accuracy"])
        measured = {k: v for k, v in curve[-1].items() if k not in {"lr", "diverged"}}
        trials.append(
            {
                "trial": planned.name,
                "config_id": planned.config.id,
                "status": state,
                "error": "ValueError: made up" if state == "failed" else None,
                "device": "cpu (made up)",
                "threads": 1,
                "host": "made-up",
                **planned.config.to_dict(),
                **measured,
                "best_validation_accuracy": best["validation_accuracy"],
                "best_validation_epoch": best["epoch"],
            }
        )
    run = RunMetadata(
        study="fan",
        budget=budget,
        choices=dict(choices or {}),
        seeds=seeds,
        dataset=DatasetInfo("mnist", "made up"),
        device="cpu (made up), 1 thread a trial",
        command="python -m study.grid",
        created="2026-11-22T22:30:57+00:00",
    )
    return Results(run=run, trials=pd.DataFrame(trials), records=pd.DataFrame(records))


def write(results: Results, directory: Path) -> Path:
    """The folder of a run as `study.runs.run_folder` leaves it, as far as it is read."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(results.run.to_json()), encoding="utf-8")
    results.trials.to_parquet(directory / "trials.parquet", index=False)
    results.records.to_parquet(directory / "records.parquet", index=False)
    if not results.timings.empty:
        results.timings.to_parquet(directory / "timings.parquet", index=False)
    return directory


def _curve(config: TrainConfig, status: str) -> list[dict[str, Any]]:
    last = {"diverged": 3, "stopped": 2, "failed": 1, "unfinished": 1}.get(status, EPOCHS)
    final = final_accuracy(config)
    pace = 0.5 + 2.0 * final**8
    return [
        _record(config, epoch, final, pace, diverged=status == "diverged" and epoch == last)
        for epoch in range(1, last + 1)
    ]


def _record(
    config: TrainConfig, epoch: int, final: float, pace: float, *, diverged: bool
) -> dict[str, Any]:
    # The accuracy rises from about 10% to exactly `final` at the last epoch.
    learned = (1 - math.exp(-pace * epoch)) / (1 - math.exp(-pace * EPOCHS))
    accuracy = 0.1 + (final - 0.1) * learned
    loss = 2.3 * (1 - accuracy) + 0.02
    nan = math.nan
    return {
        "step": epoch * 100,
        "epoch": float(epoch),
        "samples": epoch * 100 * config.batch_size,
        "lr": config.lr,
        "train_loss": nan if diverged else 1.1 * loss,
        "train_accuracy": accuracy - 0.01,
        "lowest_train_loss": nan if diverged else 0.8 * loss,
        "highest_train_loss": nan if diverged else 1.3 * loss,
        "validation_loss": nan if diverged else loss,
        "validation_accuracy": nan if diverged else accuracy,
        "test_loss": nan if diverged or epoch < EPOCHS else loss,
        "test_accuracy": nan if diverged or epoch < EPOCHS else accuracy - 0.01,
        "train_seconds": SECONDS * epoch / EPOCHS,
        "samples_per_second": 4000.0,
        "steps_per_second": 4000.0 / config.batch_size,
        "diverged": diverged,
    }
