"""Results and the leaderboard, on made-up runs with known numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from lenet.config import ConfigError, TrainConfig
from search_spaces.objective import know_directions
from study.analysis.failures import failure_sentences
from study.analysis.leaderboard import best_per_optimizer, count_excluded, leaderboard
from study.analysis.quantity import Quantity
from study.analysis.results import Results, select
from study.analysis.statistics import SHARE, mean
from study.analysis.wording import format_value, provenance
from study.tables import optimizers_compared
from tests.unit.made_up_run import SECONDS, final_accuracy, made_up_run, write

# Quantities


CURVE = pd.DataFrame(
    {
        "step": [10, 20, 30, 40],
        "validation_accuracy": [0.5, 0.9, 0.9, math.nan],
        "test_loss": [2.0, 1.0, 1.5, 1.25],
    }
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("test_loss", 1.25),
        ("best_test_loss", 1.0),
        ("mean_test_loss", 1.4375),
        ("rises_test_loss", 0.5),
        ("test_loss_at_best", 1.0),  # at the first of the two best records
    ],
)
def test_quantities_of_a_curve(text: str, value: float) -> None:
    quantity = Quantity.parse(text)
    assert quantity.column == "test_loss"
    assert quantity.measure(CURVE) == pytest.approx(value)
    assert math.isnan(quantity.measure(CURVE, {"step": 25}))


def test_the_value_of_a_quantity_at_a_moment() -> None:
    assert Quantity.parse("test_loss").measure(CURVE, {"step": 30}) == 1.5


# The leaderboard


def test_the_leaderboard_has_every_point_once_best_first() -> None:
    board = leaderboard(made_up_run())
    assert len(board) == 2 * 3 * 4
    assert board["rank"].tolist() == (-board["validation_accuracy"]).rank(method="min").tolist()
    assert board["validation_accuracy"].is_monotonic_decreasing
    assert not board.duplicated(["optimizer", "lr", "batch_size"]).any()
    last = board.iloc[-1]
    assert (last["lr"], last["batch_size"]) in {(0.001, 256), (0.1, 256)}
    assert last["validation_accuracy"] == pytest.approx(0.98 - 0.06 - 0.03)
    assert (board["train_seconds"] == SECONDS).all()


def test_one_seed_has_no_interval_in_the_leaderboard() -> None:
    board = leaderboard(made_up_run())
    assert (board["seeds"] == 1).all()
    assert board[["validation_accuracy_low", "validation_accuracy_high"]].isna().all(axis=None)


def test_seeds_are_averaged_and_are_no_dimension() -> None:
    board = leaderboard(made_up_run(seeds=3))
    assert len(board) == 24
    assert "seed" not in board
    best = board.iloc[0]
    seeds = mean([0.98, 0.982, 0.984], SHARE)
    ends = best["validation_accuracy_low"], best["validation_accuracy_high"]
    assert best["validation_accuracy"] == pytest.approx(seeds.mean)
    assert ends == pytest.approx((seeds.low, seeds.high))
    assert best["test_accuracy"] == pytest.approx(0.98 + 0.002 - 0.01)
    assert best["seeds"] == 3


def test_selection_is_on_validation_not_on_test() -> None:
    results = made_up_run(choices={"batch_size": [32], "optimizer": ["sgd"]})
    results.trials["test_accuracy"] = 1 - results.trials["validation_accuracy"]
    board = leaderboard(results)
    assert board["lr"].tolist() == [0.1, 0.01, 0.001]
    assert board["test_accuracy"].is_monotonic_increasing


def test_a_diverged_point_ranks_last_however_good_it_was() -> None:
    results = made_up_run(status={"sgd_lr0.1_batch32": "diverged"})
    # An accuracy measured before it diverged must not raise its rank.
    results.trials.loc[results.trials["status"] == "diverged", "validation_accuracy"] = 1.0
    last = leaderboard(results).iloc[-1]
    assert (last["optimizer"], last["lr"], last["batch_size"]) == ("sgd", 0.1, 32)
    assert (last["diverged"], last["seeds"]) == (1, 1)
    assert math.isnan(last["validation_accuracy"])


def test_fewer_diverged_seeds_rank_before_more_and_after_none() -> None:
    board = leaderboard(
        made_up_run(
            seeds=3,
            status={
                "adam_lr0.001_batch32": "diverged",
                "sgd_lr0.1_batch32_seed1": "diverged",
            },
        )
    )
    partly, wholly = board.iloc[-2], board.iloc[-1]
    assert (partly["optimizer"], partly["diverged"], partly["seeds"]) == ("sgd", 1, 3)
    assert partly["validation_accuracy"] == pytest.approx(0.98 + 0.002)  # of seeds 0 and 2
    assert (wholly["optimizer"], wholly["diverged"]) == ("adam", 3)
    assert (board["diverged"].iloc[:-2] == 0).all()


def test_failed_and_unfinished_trials_are_excluded_and_counted() -> None:
    results = made_up_run(
        seeds=2,
        status={"sgd_lr0.1_batch32_seed0": "failed", "sgd_lr0.01_batch64": "unfinished"},
    )
    board = leaderboard(results)
    assert count_excluded(results) == {"failed": 1, "unfinished": 2}
    assert len(board) == 23
    halved = board[(board.optimizer == "sgd") & (board.lr == 0.1) & (board.batch_size == 32)]
    assert halved["seeds"].tolist() == [1]
    assert halved["validation_accuracy"].tolist() == pytest.approx([0.98 + 0.002])


def test_a_stopped_trial_counts_with_its_last_record() -> None:
    results = made_up_run(status={"adam_lr0.001_batch32": "stopped"})
    board = leaderboard(results).set_index(["optimizer", "lr", "batch_size"])
    stopped = board.loc[("adam", 0.001, 32)]
    assert stopped["stopped"] == 1
    assert stopped["validation_accuracy"] < 0.98
    assert math.isnan(stopped["test_accuracy"])


def test_the_best_setting_of_each_optimizer() -> None:
    best = best_per_optimizer(leaderboard(made_up_run(status={"adam_lr0.001_batch32": "failed"})))
    assert best[["optimizer", "lr", "batch_size"]].to_numpy().tolist() == [
        ["sgd", 0.1, 32],
        ["adam", 0.001, 64],
    ]
    assert best["rank"].tolist() == [1, 2]


def test_each_data_set_has_its_own_ranks() -> None:
    board = leaderboard(made_up_run(choices={"dataset": ["mnist", "kmnist"], "lr": [0.1]}))
    assert board.groupby("dataset")["rank"].max().to_dict() == {"kmnist": 8, "mnist": 8}
    assert len(best_per_optimizer(board)) == 4


def test_a_run_without_results_has_an_empty_leaderboard() -> None:
    board = leaderboard(made_up_run(status={"": "unfinished"}))
    assert board.empty
    assert best_per_optimizer(board).empty


def test_the_leaderboard_names_its_settings_even_if_they_do_not_vary() -> None:
    choices = {"optimizer": ["adam"], "lr": [0.01], "batch_size": [64]}
    (row,) = leaderboard(made_up_run(choices=choices)).to_dict("records")
    settings = row["dataset"], row["optimizer"], row["lr"], row["batch_size"]
    assert settings == ("mnist", "adam", 0.01, 64)
    config = TrainConfig(optimizer="adam", lr=0.01, batch_size=64)
    assert row["validation_accuracy"] == pytest.approx(final_accuracy(config))


# Results


def test_tables_come_back_as_written(tmp_path: Path) -> None:
    results = made_up_run(seeds=2, status={"sgd_lr0.1": "diverged", "adam_lr0.1": "failed"})
    loaded = Results.load(write(results, tmp_path / "run"))
    assert loaded.run == results.run
    assert loaded.varied_settings == ["optimizer", "lr", "batch_size"]
    pd.testing.assert_frame_equal(leaderboard(loaded), leaderboard(results), check_dtype=False)


def test_a_setting_of_several_numbers_can_be_grouped_and_selected(tmp_path: Path) -> None:
    results = made_up_run(
        choices={"schedule": ["multistep"], "milestones": ["1+2", "3"], "lr": [0.1]}
    )
    loaded = Results.load(write(results, tmp_path / "run"))
    assert loaded.values_of("milestones") == ["1+2", "3"]
    assert len(select(loaded.trials, {"milestones": (1, 2)})) == 8
    assert "milestones" in leaderboard(loaded)


def test_values_are_sorted_whatever_the_order_of_the_trials() -> None:
    results = made_up_run()
    results.trials["momentum"] = [0.9, None] * 12
    reversed_order = Results(run=results.run, trials=results.trials[::-1], records=results.records)
    for one in (results, reversed_order):
        assert one.values_of("lr") == [0.001, 0.01, 0.1]
        assert one.values_of("optimizer") == ["adam", "sgd"]
        assert one.values_of("momentum") == [None, 0.9]
    assert len(select(results.trials, {"momentum": None})) == 12


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "trials.parquet").unlink(), r"has no trials.parquet: run python -m"),
        (lambda d: (d / "run.json").unlink(), r"is not a run \(it has no run.json\)"),
        (lambda d: (d / "run.json").write_text('{"study": "f'), r"run.json is cut short"),
        (lambda d: (d / "run.json").write_text("[]"), r"run.json lacks study"),
        (lambda d: (d / "run.json").write_text('{"study": "fan"}'), r"run.json lacks budget"),
        (lambda d: _halve(d / "records.parquet"), r"records.parquet is cut short .* delete it"),
        (lambda d: (d / "trials.parquet").write_bytes(b""), r"trials.parquet is cut short"),
        (lambda d: _drop(d / "trials.parquet", "status"), r"trials.parquet lacks status"),
    ],
)
def test_a_damaged_run_is_reported_in_one_line(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    directory = write(made_up_run(), tmp_path / "run")
    damage(directory)
    with pytest.raises(ConfigError, match=message) as raised:
        Results.load(directory)
    assert "\n" not in str(raised.value)


def test_a_folder_of_runs_suggests_the_newest_run(tmp_path: Path) -> None:
    directory = write(made_up_run(), tmp_path / "run")
    with pytest.raises(ConfigError, match=f"did you mean {directory}"):
        Results.load(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a folder"):
        Results.load(tmp_path / "nowhere")


def _halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _drop(path: Path, column: str) -> None:
    pd.read_parquet(path).drop(columns=column).to_parquet(path)


# Wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.001, "0.001"),
        (1e-8, "1e-08"),
        (10000.0, "10000"),
        (32, "32"),
        (True, "True"),
        (None, "default"),
        (math.nan, "default"),
        ("sgd", "sgd"),
    ],
)
def test_values_are_formatted_as_written_by_hand(value: object, text: str) -> None:
    assert format_value(value) == text


def test_provenance_names_data_budget_seeds_and_device() -> None:
    results = made_up_run(seeds=3)
    assert provenance(results.run, results.trials) == (
        "data set mnist; budget quick; 3 seeds; cpu (made up), 1 thread a trial; "
        "at most 10,000 training samples; 5 epochs"
    )


def test_provenance_does_not_mention_the_whole_training_set() -> None:
    results = made_up_run(choices={"train_samples": ["none"]})
    assert json.loads(json.dumps(results.run.to_json()))["seeds"] == 1
    assert provenance(results.run, results.trials) == (
        "data set mnist; budget quick; 1 seed (no interval); cpu (made up), 1 thread a trial"
    )


def test_provenance_names_a_reduced_precision() -> None:
    results = made_up_run()
    results.trials["precision"] = "bf16"
    assert "1 thread a trial; bf16; " in provenance(results.run, results.trials)
    results.trials.loc[0, "precision"] = "fp32"
    assert "1 thread a trial; bf16 / fp32; " in provenance(results.run, results.trials)


def test_provenance_of_a_run_with_a_length_in_steps() -> None:
    results = made_up_run(choices={"train_samples": ["none"], "steps": [2000]})
    ending = "1 thread a trial; 5 epochs; at most 2,000 steps"
    assert provenance(results.run, results.trials).endswith(ending)
    results.trials["epochs"] = 1.0
    assert "; 1 epoch; at most 2,000 steps" in provenance(results.run, results.trials)
    results.trials["epochs"] = None
    assert provenance(results.run, results.trials).endswith("1 thread a trial; 2,000 steps")


def test_provenance_says_that_nothing_was_held_out() -> None:
    results = made_up_run()
    results.trials["validation_fraction"] = 0.0
    assert "1 thread a trial; no validation data; at most" in provenance(
        results.run, results.trials
    )


def test_provenance_tells_of_missing_seeds() -> None:
    results = made_up_run(seeds=3, status={"sgd_lr0.1_batch32_seed2": "failed"})
    assert "2 to 3 seeds" in provenance(results.run, results.completed)


def test_equal_points_share_a_rank() -> None:
    results = made_up_run()
    failed = results.trials["lr"] < 0.1
    results.trials.loc[failed, "validation_accuracy"] = 0.1
    ranks = leaderboard(results)["rank"].tolist()
    assert ranks[:8] == list(range(1, 9))
    assert ranks[8:] == [9] * 16


def test_a_run_without_accuracies_ranks_by_the_lowest_loss() -> None:
    results = made_up_run(choices={"batch_size": [32, 64]})
    for table in (results.trials, results.records):
        accuracies = [name for name in table if name.endswith("_accuracy")]
        table[[*accuracies, "validation_loss"]] = math.nan
    board = leaderboard(results)
    assert "validation_accuracy" not in board
    assert board["train_loss"].is_monotonic_increasing
    assert board["train_loss"].nunique() > 1


def test_a_diverged_trial_is_worse_than_any_value_of_a_metric_of_ones_own():
    know_directions(["made_up_r2:max=a:b"])
    assert Quantity.parse("validation_made_up_r2").worst == -math.inf
    assert Quantity.parse("validation_accuracy").worst == 0.0
    assert Quantity.parse("validation_loss").worst == math.inf


def test_a_run_whose_trials_have_not_begun_has_a_provenance():
    results = made_up_run()
    unbegun = results.trials.assign(device=None, threads=math.nan)
    assert "no trial has begun" in provenance(results.run, unbegun)


def test_a_stopped_trial_does_not_stay_at_chance():
    board = leaderboard(made_up_run(seeds=1)).assign(validation_accuracy=0.1)
    assert failure_sentences(board, "validation_accuracy", ["lr"]) == [
        "Every point stays at chance."
    ]
    assert failure_sentences(board.assign(stopped=1), "validation_accuracy", ["lr"]) == []
    assert not optimizers_compared.make(made_up_run(seeds=1)).empty
    stopped = made_up_run(seeds=1, status={"adam_lr0.1": "stopped"})
    assert optimizers_compared.make(stopped).empty
