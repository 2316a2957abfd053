"""The tables of statistics that every run has, and what a report says of winners."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from study.analysis.results import Results
from study.analysis.workloads import reported_quantity, tuned_scores
from study.report import summary
from study.tables.make import make_statistics
from study.terminal import make_console
from tests.unit.made_up_run import made_up_run, write
from tests.unit.made_up_scaling import made_up_scaling

RATES = {"lr": ["0.1", "0.01", "0.001"]}


def tables(results: Results) -> dict[str, pd.DataFrame]:
    made = make_statistics(results)
    return {name.removeprefix("statistics-"): table for name, (_, table) in made.items()}


def with_noise(results: Results, amount: float) -> Results:
    """Move each test accuracy by a multiple of `amount` that depends on its trial."""
    moved = results.trials["test_accuracy"] + [
        amount * (i * 7 % 11 - 5) for i in range(len(results.trials))
    ]
    return replace(results, trials=results.trials.assign(test_accuracy=moved))


def test_optimizers_are_compared_tuned_on_the_test_set() -> None:
    results = made_up_run(seeds=3, choices=RATES)
    assert reported_quantity(results) == "test_accuracy"
    scores = tuned_scores(results)
    # SGD's best rate is 0.1 and Adam's 0.001, both at 0.98, minus 0.01 per doubled batch.
    for name in ("adam", "sgd"):
        assert scores[name].shape == (3, 4)
        assert scores[name].loc[1].tolist() == pytest.approx([0.972 - 0.01 * i for i in range(4)])


def test_a_tuning_with_a_diverged_seed_comes_after_all_without() -> None:
    results = made_up_run(3, RATES, {"sgd_lr0.1_batch32_seed2": "diverged"})
    # SGD's second best rate is 0.01, 0.03 behind.
    assert tuned_scores(results)["sgd"][0].tolist() == pytest.approx([0.94, 0.942, 0.944])


def test_where_every_tuning_diverges_the_worst_value_counts() -> None:
    status = {f"sgd_lr{lr}_batch32_seed2": "diverged" for lr in ("0.1", "0.01", "0.001")}
    assert tuned_scores(made_up_run(3, RATES, status))["sgd"][0].iloc[2] == 0


def test_points_and_seeds_that_lack_a_trial_are_left_out() -> None:
    failed = {"sgd_lr0.1_batch32_seed1": "failed"}
    results = made_up_run(3, {**RATES, "batch_size": ["32", "64"]}, failed)
    assert tuned_scores(results)["adam"].index.tolist() == [0, 2]
    no_sgd = {f"sgd_lr{lr}_batch64": "failed" for lr in ("0.1", "0.01", "0.001")}
    results = made_up_run(3, {**RATES, "batch_size": ["32", "64"]}, no_sgd)
    assert tuned_scores(results)["adam"].shape == (3, 1)


def test_a_grid_of_two_optimizers_has_all_tables_that_apply() -> None:
    results = with_noise(made_up_run(3, RATES, {"sgd_lr0.1_batch32": "diverged"}), 0.001)
    made = tables(results)
    assert list(made) == [
        "optimizer-pairs",
        "interquartile-means",
        "lr-sensitivity",
        "best-of-n",
        "time-to-target",
        "performance-profile",
        "divergence",
        "two-uncertainties",
    ]
    (pair,) = made["optimizer-pairs"].to_dict("records")
    assert (pair["better"], pair["points"], pair["seeds"]) == ("adam", "4", "3")
    divergence = made["divergence"].set_index(["optimizer", "learning rate"])["share %"]
    assert divergence["sgd", "all"] == "8.3 [1.8, 22.5]"
    assert divergence["sgd", "0.1"] == "25.0 [5.5, 57.2]"
    assert made["best-of-n"]["random trials"].tolist() == ["1", "2", "4", "8", "12", "16", "24"]
    assert made["time-to-target"]["time in"].tolist() == ["training seconds"] * 4 + ["epoch"] * 4
    images = made["two-uncertainties"]
    assert images["test images"].tolist() == ["10,000"] * 2


def test_clear_differences_are_announced() -> None:
    worse = {"optimizer": ["adam", "rmsprop"], "lr": ["0.01"], "batch_size": ["32", "64"]}
    results = made_up_run(6, worse)
    moved = results.trials["test_accuracy"].mask(
        results.trials["optimizer"] == "adam", results.trials["test_accuracy"] - 0.02
    )
    (pair,) = tables(replace(results, trials=results.trials.assign(test_accuracy=moved)))[
        "optimizer-pairs"
    ].to_dict("records")
    assert pair["outcome"] == "rmsprop is ahead"


@pytest.mark.parametrize("status", [{"sgd": "stopped"}, {"": "failed"}])
def test_trials_without_a_final_result_are_not_compared(status: dict[str, str]) -> None:
    assert tables(made_up_run(2, RATES, status)) == {}


def test_workers_are_not_compared() -> None:
    assert tables(made_up_scaling()) == {}


def report(results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(summary, "draw_all", lambda *_: [])
    page = io.StringIO()
    summary.summarize(write(results, folder), make_console(file=page, width=80))
    return page.getvalue()


def test_a_report_writes_them_and_says_what_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = report(with_noise(made_up_run(3, RATES), 0.001), tmp_path / "run", monkeypatch)
    written = sorted(path.name for path in (tmp_path / "run" / "tables").glob("statistics-*.csv"))
    assert len(written) == 7  # nothing diverged
    pairs = text.split("Optimizers compared in pairs")[1].split("Claims")[0]
    assert "not told apart" in pairs
    assert "tables/statistics-*.csv" in pairs
    answer = text.split("Answer\n")[1]
    assert "No clear winner: " in answer
    assert max(len(line) for line in answer.splitlines() if str(tmp_path) not in line) <= 80
    assert len(answer.split("Files in")[0].splitlines()) <= 15


def test_one_seed_compares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = report(made_up_run(1, RATES), tmp_path / "run", monkeypatch)
    assert "Optimizers compared in pairs" not in text
    assert "No clear winner: one seed has no interval; it takes 2" in text
