"""The tables, compared with numbers computed by hand from the formula of the made-up run.

A test accuracy is 0.97 - 0.03 per decade from the best learning rate - 0.01 per doubling
of the batch size from 32, + 0.002 per seed. Three seeds 0.002 apart have a half-width of
4.3027 * 0.002 / sqrt(3) = 0.00497; two that are 0.004 apart, 12.706 * 0.004 / 2 = 0.0254.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from lenet.config import ConfigError
from search_spaces.fan import FAN as STUDY
from search_spaces.study import Table
from study.analysis.results import Results
from study.tables import (
    best_settings,
    checkpoints,
    effort,
    final,
    optimizers_compared,
    settings_by_value,
)
from study.tables.make import KINDS, make_all
from study.tables.statistics import STATISTICS
from tests.unit.made_up_run import made_up_run
from tests.unit.made_up_tables import OPTIONS, SGD, rows, with_curves

# Kinds for other runs than grids, tested together with their analysis.
TESTED_ELSEWHERE = {
    "range_regret",
    "range_recommendation",
    "range_suggestions",
    "range_minima",
    "confirmed",
    "importances",
    "pareto_front",
    "epochs_saved",
    "speedup",
    "launchers",
    "start_up",
    "strategies",
    "whole_time",
    "step_time",
    "worker_learning",
    "worker_times",
}


# Settings by value


def test_settings_by_value_are_means_over_seeds_with_an_interval() -> None:
    results = made_up_run(seeds=3, choices={"batch_size": [32, 64]})
    table = settings_by_value.make(results, where=SGD, rows="lr", columns="batch_size")
    assert list(table.columns) == ["learning rate", "batch size 32", "batch size 64"]
    assert rows(table) == [
        ["0.001", "91.20 [90.69, 91.68]", "90.20 [89.69, 90.69]"],
        ["0.01", "94.20 [93.68, 94.68]", "93.20 [92.69, 93.68]"],
        ["0.1", "97.20 [96.66, 97.66]", "96.20 [95.67, 96.67]"],
    ]


def test_one_seed_has_no_interval_and_a_combination_without_a_result_is_a_dash() -> None:
    results = made_up_run(
        choices={"batch_size": [32, 64], "lr": [0.1, 0.01]}, status={"sgd_lr0.1_batch64": "failed"}
    )
    table = settings_by_value.make(results, where=SGD, rows="lr", columns="batch_size")
    assert rows(table) == [["0.01", "94.00", "93.00"], ["0.1", "97.00", "-"]]


def test_a_mean_excludes_diverged_seeds_and_counts_them() -> None:
    status = {"sgd_lr0.1_batch32_seed1": "diverged", "sgd_lr0.1_batch64": "diverged"}
    results = made_up_run(seeds=3, choices={"batch_size": [32, 64]}, status=status)
    table = settings_by_value.make(results, where=SGD, rows="lr", columns="batch_size")
    assert rows(table)[-1] == ["0.1", "97.20 [93.17, 98.88] (1 of 3 diverged)", "diverged"]


def test_other_varied_settings_are_not_averaged_over() -> None:
    results = made_up_run(choices={"dropout": [0.0, 0.5], "batch_size": [32], "lr": [0.1, 0.01]})
    table = settings_by_value.make(results, where=SGD, rows="lr", columns="batch_size")
    assert list(table.columns) == ["dropout", "learning rate", "batch size 32"]
    assert [row[:2] for row in rows(table)] == [
        ["0", "0.01"],
        ["0", "0.1"],
        ["0.5", "0.01"],
        ["0.5", "0.1"],
    ]


# Effort


def test_effort_is_seconds_per_point_at_the_best_record() -> None:
    results = made_up_run(seeds=2, choices={"batch_size": [32], "lr": [0.1, 0.01]})
    results = with_curves(
        results,
        "test_accuracy",
        {
            "sgd_lr0.1": [0.8, 0.96, 0.95, 0.96, 0.9],  # the second record, after 5 seconds
            "sgd_lr0.01": [0.9] * 5,  # not above 0.9
            "adam_lr0.1": [0.5] * 5,
            "adam_lr0.01": [0.92, 0.91, 0.91, 0.91, 0.91],  # the first, after 2.5 seconds
        },
    )
    table = effort.make(results)
    columns = ["optimizer", "learning rate", "step", "test %", "seconds", "effort"]
    assert list(table.columns) == columns
    assert rows(table) == [
        ["adam", "0.01", "100", "92.00 ± 0.00", "2.5", "0.02717"],
        ["sgd", "0.1", "200", "96.00 ± 0.00", "5.0", "0.05208"],
    ]
    assert effort.make(results, above=0.97).empty


def test_effort_of_a_single_point_and_of_diverged_trials() -> None:
    only = {"optimizer": ["sgd"], "lr": [0.1], "batch_size": [32]}
    assert rows(effort.make(made_up_run(choices=only))) == [["500", "97.00", "12.5", "0.1289"]]
    assert effort.make(made_up_run(choices=only, status={"sgd": "diverged"})).empty
    one_diverged = made_up_run(
        seeds=3, choices=only, status={"sgd_lr0.1_batch32_seed1": "diverged"}
    )
    assert rows(effort.make(one_diverged))[0][1] == "97.20 [93.17, 98.88] (1 of 3 diverged)"


def test_a_setting_that_another_determines_has_no_column() -> None:
    results = made_up_run(choices={"batch_size": [32, 64], "lr": [0.1, 0.01]})
    results.trials["epochs"] = results.trials["batch_size"] // 32
    columns = ["optimizer", "learning rate", "batch size", "step"]
    assert list(effort.make(results).columns)[:4] == columns
    twice = Results(
        run=results.run,
        trials=pd.concat(
            [results.trials, results.trials.assign(epochs=99, trial=results.trials["trial"] + "-")]
        ),
        records=pd.concat(
            [results.records, results.records.assign(trial=results.records["trial"] + "-")]
        ),
    )
    assert "epochs" in effort.make(twice)


def test_effort_ranks_the_trials_in_where_alone() -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1, 0.01]})
    table = effort.make(results, where={"lr": 0.01})
    assert list(table.columns)[:2] == ["optimizer", "step"]
    assert table["optimizer"].tolist() == ["adam", "sgd"]


def test_effort_is_of_accuracies_only() -> None:
    with pytest.raises(ConfigError, match="name an accuracy"):
        effort.make(made_up_run(), quantity="test_loss")


# Best settings


def test_the_best_learning_rate_is_selected_on_validation_data() -> None:
    results = made_up_run(seeds=3, choices={"batch_size": [32]})
    results = with_curves(results, "test_accuracy", {"sgd_lr0.01": [0.999] * 5})
    table = best_settings.make(results, where={}, per=("optimizer",))
    columns = ["optimizer", "learning rate", "validation %", "test loss", "test %", "seeds"]
    assert list(table.columns) == columns
    # The loss is 2.3 * (1 - 0.982) + 0.02, its half-width 2.3 * 0.00497.
    best = ["98.20 [97.63, 98.64]", "0.0614 [0.05097, 0.07396]", "97.20 [96.66, 97.66]", "3"]
    assert rows(table) == [["adam", "0.001", *best], ["sgd", "0.1", *best]]
    options = {"where": {}, "per": ("batch_size", "optimizer"), "published": {"sgd": "0.1: 0.97"}}
    beside = best_settings.make(results, **options)
    assert beside[["optimizer", "published"]].to_numpy().tolist() == [
        ["adam", "-"],
        ["sgd", "0.1: 0.97"],
    ]


def test_a_learning_rate_that_diverged_comes_after_one_that_did_not() -> None:
    status = {"sgd_lr0.1_batch32_seed1": "diverged", "adam": "diverged"}
    results = made_up_run(seeds=2, choices={"batch_size": [32]}, status=status)
    table = best_settings.make(results, where={}, per=("optimizer",))
    assert rows(table)[0] == ["adam", "-", "diverged", "diverged", "diverged", "2"]
    assert rows(table)[1][:2] == ["sgd", "0.01"]


def test_the_chosen_learning_rate_cannot_be_a_setting_of_the_rows() -> None:
    with pytest.raises(ConfigError, match="remove lr"):
        best_settings.make(made_up_run(), where={}, per=("optimizer", "lr"))


# Optimizers compared


def test_the_metrics_of_the_optimizers() -> None:
    results = made_up_run(choices={"batch_size": [32, 64], "lr": [0.1, 0.01]})
    results = with_curves(
        results,
        "validation_accuracy",
        {
            "sgd_lr0.1_batch32": [0.5, 0.97, 0.93, 0.975, 0.98],  # near at 2, falls by 4
            "sgd_lr0.01_batch32": [0.5, 0.8, 0.94, 0.95, 0.94],  # near at 3, falls by 1
            "sgd_lr0.1_batch64": [0.5, 0.6, 0.7, 0.9, 0.97],  # near at 5, never falls
            "sgd_lr0.01_batch64": [0.5, 0.6, 0.7, 0.89, 0.86],  # not good, falls by 3
        },
    )
    table = optimizers_compared.make(results)
    assert list(table.columns) == ["metric", "definition", "sgd", "adam"]
    assert dict(zip(table["metric"], table["sgd"], strict=True)) == {
        # of 98, 94: 2.828; of 97, 86: 7.778
        "sensitivity": "5.30",
        "convergence speed": "3.00 (3 of 4 trials)",
        # of 4, 1 and none: what is not good does not count
        "stability": "1.67",
        "best performance": "97.00 (learning rate 0.1, batch size 32)",
        "tuning effort": "50.00% (2 of 4 points)",
        "diverged": "0 of 4 trials",
    }


def test_the_metrics_have_intervals_over_seeds_and_exclude_diverged_trials() -> None:
    results = made_up_run(
        seeds=2,
        choices={"batch_size": [32], "lr": [0.1, 0.01]},
        status={"sgd_lr0.1_batch32_seed1": "diverged", "adam": "diverged"},
    )
    results = with_curves(
        results,
        "validation_accuracy",
        {
            "sgd_lr0.1_batch32_seed0": [0.5, 0.6, 0.7, 0.8, 0.98],
            "sgd_lr0.01_batch32_seed0": [0.5, 0.9, 0.95, 0.94, 0.95],  # 3; 1
            "sgd_lr0.01_batch32_seed1": [0.92, 0.95, 0.95, 0.92, 0.95],  # 2; 3
        },
    )
    table = optimizers_compared.make(results).set_index("metric")
    assert table["sgd"].tolist() == [
        "-",  # seed 1 has one learning rate left
        "3.00 [0.00, 5.00] (3 of 4 trials)",  # medians 4 and 2
        "1.75 [0.00, 99.46]",  # means 0.5 and 3
        "94.10 [92.69, 95.25] (learning rate 0.01, batch size 32)",
        "50.00% (1 of 2 points)",
        "1 of 4 trials",
    ]
    assert table["adam"].tolist() == [
        "-",
        "- (0 of 4 trials)",
        "-",
        "-",
        "0.00% (0 of 2 points)",
        "4 of 4 trials",
    ]


def test_an_optimizer_that_was_not_run_has_no_column_and_an_unknown_one_is_refused() -> None:
    table = optimizers_compared.make(made_up_run(choices={"optimizer": ["sgd"]}))
    assert list(table.columns) == ["metric", "definition", "sgd"]
    with pytest.raises(ConfigError, match="did you mean 'adam'"):
        optimizers_compared.make(made_up_run(), optimizers=("adan",))


# Final


def test_final_values_are_sorted_by_the_first_quantity_diverged_last() -> None:
    results = made_up_run(
        seeds=3, choices={"batch_size": [32]}, status={"sgd_lr0.1_batch32": "diverged"}
    )
    options: dict[str, Any] = {"where": SGD, "settings": ("optimizer", "lr")}
    table = final.make(results, **options, quantities=("test_loss", "test_accuracy"))
    assert list(table.columns) == ["optimizer", "learning rate", "test loss", "test %"]
    assert rows(table) == [
        ["sgd", "0.01", "0.1304 [0.1195, 0.1423]", "94.20 [93.68, 94.68]"],
        ["sgd", "0.001", "0.1994 [0.1883, 0.2112]", "91.20 [90.69, 91.68]"],
        ["sgd", "0.1", "diverged", "diverged"],
    ]
    falling = final.make(results, **options, quantities=("test_accuracy",))
    assert falling["learning rate"].tolist() == ["0.01", "0.001", "0.1"]


def test_final_values_at_a_step_that_not_all_points_reached() -> None:
    results = made_up_run(
        choices={"batch_size": [32]},
        status={"sgd_lr0.1_batch32": "diverged", "sgd_lr0.01_batch32": "stopped"},
    )
    records = results.records.assign(observed_W=results.records["step"] / 1000)
    observed = Results(run=results.run, trials=results.trials, records=records)
    options: dict[str, Any] = {"where": SGD, "settings": ("lr",), "quantities": ("observed_W",)}
    assert rows(final.make(observed, **options, where_step=200)) == [
        ["0.001", "0.2"],
        ["0.01", "0.2"],
        ["0.1", "0.2"],
    ]
    table = final.make(observed, **options, where_step=400)
    assert list(table.columns) == ["learning rate", "W"]
    assert rows(table) == [["0.001", "0.4"], ["0.1", "diverged"]]


def test_a_step_that_no_trial_reached_makes_an_empty_table() -> None:
    results = made_up_run(choices={"batch_size": [32]})
    assert final.make(results, **OPTIONS["final"], where_step=30_000).empty
    assert checkpoints.make(results, where=SGD, steps=(30_000,), columns="lr").empty


# All tables of a study


def declared(**kinds: Mapping[str, Any]) -> Any:
    return replace(
        STUDY,
        tables=tuple(Table(name=k, kind=k, title=k, options=o) for k, o in kinds.items()),
    )


def test_all_tables_of_a_study_are_text_in_the_declared_order() -> None:
    made = make_all(declared(**OPTIONS), made_up_run(seeds=2))
    assert list(made) == list(OPTIONS)
    for table, frame in made.values():
        assert table.kind == table.name
        assert frame.map(lambda cell: isinstance(cell, str)).all(axis=None)
        assert frame.columns.is_unique


@pytest.mark.parametrize("name", OPTIONS)
def test_a_table_without_trials_is_omitted(name: str) -> None:
    failed = made_up_run(choices={"batch_size": [32]}, status={"sgd": "failed", "adam": "failed"})
    assert make_all(declared(**{name: OPTIONS[name]}), failed) == {}
    if "where" in OPTIONS[name]:
        nothing = {**OPTIONS[name], "where": {"optimizer": "rmsprop"}}
        assert make_all(declared(**{name: nothing}), made_up_run()) == {}


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("efort", {}, ConfigError, "did you mean 'effort'"),
        ("make", {}, ConfigError, "unknown kind of table 'make'"),
        ("cells", {}, ConfigError, "unknown kind of table 'cells'"),
        ("effort", {"rows": "lr"}, ConfigError, "table effort, of kind effort: .*'rows'"),
        ("final", {}, ConfigError, "table final, of kind final: missing.*'settings'"),
        ("effort", {"quantity": "test_acuracy"}, ConfigError, "did you mean 'test_accuracy'"),
        (
            "settings_by_value",
            {"where": {}, "rows": "lr", "columns": "batchsize"},
            ConfigError,
            "did you mean 'batch_size'",
        ),
    ],
)
def test_an_invalid_table_is_refused(
    name: str, options: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_all(declared(**{name: options}), made_up_run())


def test_every_kind_is_tested_here() -> None:
    for name in OPTIONS:
        assert callable(KINDS.find(name))
    with pytest.raises(ConfigError) as refused:
        KINDS.find("?")
    known = str(refused.value).partition("choose from ")[2].split(", ")
    of_statistics = {table.kind for table in STATISTICS}
    assert set(known) == {*OPTIONS, *TESTED_ELSEWHERE, *of_statistics}
