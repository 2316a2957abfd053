"""Tables of a report's own numbers beside those of a run."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from lenet.config import ConfigError
from study.tables import (
    checkpoints,
    matching_values,
    published,
)
from tests.unit.made_up_run import made_up_run
from tests.unit.made_up_tables import ADAM, OPTIONS, SGD, rows, with_curves

# Published


def test_published_accuracies_keep_their_order() -> None:
    results = made_up_run(seeds=3, choices={"batch_size": [32]})
    table = published.make(
        results,
        where=SGD,
        by="lr",
        published={0.1: 97.5, 0.001: 95, 0.5: 12.25},
        panel=None,
    )
    columns = ["learning rate", "published %", "measured %", "difference", "within interval"]
    assert list(table.columns) == columns
    assert rows(table) == [
        ["0.1", "97.5", "97.20 [96.66, 97.66]", "-0.30", "yes"],
        ["0.001", "95", "91.20 [90.69, 91.68]", "-3.80", "no"],
        ["0.5", "12.25", "not run", "-", "-"],
    ]


def test_published_by_panel_of_one_seed_and_of_a_diverged_trial() -> None:
    results = made_up_run(
        choices={"batch_size": [32, 64]}, status={"sgd_lr0.01_batch64": "diverged"}
    )
    table = published.make(
        results,
        where=SGD,
        by="lr",
        published={64: {0.1: 95.0, 0.01: 90.0}, 32: {0.1: 97.0}},
        panel="batch_size",
    )
    assert rows(table) == [
        ["64", "0.1", "95", "96.00", "+1.00", "one seed"],
        ["64", "0.01", "90", "diverged", "-", "-"],
        ["32", "0.1", "97", "97.00", "+0.00", "one seed"],
    ]


def test_the_best_record_is_selected_on_validation_data() -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1], "optimizer": ["sgd", "adam"]})
    results = with_curves(results, "validation_accuracy", {"sgd": [0.1, 0.9, 0.95, 0.95, 0.9]})
    results = with_curves(results, "test_accuracy", {"sgd": [0.99, 0.9, 0.93, 0.94, 0.98]})
    options: dict[str, Any] = {"where": SGD, "by": "lr", "published": {0.1: 93}, "panel": None}
    assert rows(published.make(results, **options))[0][2] == "93.00"
    last = published.make(results, **options, quantity="test_accuracy")
    assert rows(last)[0][2] == "98.00"
    options |= {"quantity": "best_test_accuracy", "also": {"last %": "test_accuracy"}}
    best = published.make(results, **options)
    assert list(best.columns)[-1] == "last %"
    assert rows(best) == [["0.1", "93", "99.00", "+6.00", "one seed", "98.00"]]
    unpublished = published.make(results, **options | {"published": {0.1: None}})
    assert rows(unpublished) == [["0.1", "-", "99.00", "-", "-", "98.00"]]


def test_other_trials_stand_beside_the_published_ones() -> None:
    results = made_up_run(choices={"lr": [0.1, 0.01], "batch_size": [32, 64]})
    adam = {"optimizer": "adam", "batch_size": 32}
    options: dict[str, Any] = {"where": SGD | {"batch_size": 32}, "panel": None, "by": "lr"}
    options |= {"published": {0.1: 97, 0.5: 12}, "beside": {"by adam %": adam}}
    table = published.make(results, **options)
    assert list(table.columns)[-2:] == ["within interval", "by adam %"]
    assert rows(table) == [
        ["0.1", "97", "97.00", "+0.00", "one seed", "91.00"],
        ["0.5", "12", "not run", "-", "-", "not run"],
    ]
    # A setting that varies besides splits both.
    splits = published.make(results, **options | {"where": SGD, "beside": {"by adam %": ADAM}})
    assert [row[0] for row in rows(splits)] == ["32", "32", "64", "64"]
    assert [row[-1] for row in rows(splits)] == ["91.00", "not run", "90.00", "not run"]


def test_an_unset_number_of_steps_is_named() -> None:
    results = made_up_run(choices={"lr": [0.1], "batch_size": [32], "optimizer": ["sgd"]})
    results.trials["decay_steps"] = None
    options = {"where": SGD, "by": "decay_steps", "published": {None: 97.0}, "panel": None}
    assert rows(published.make(results, **options))[0][:2] == ["one epoch", "97"]


def test_only_accuracies_are_percentages() -> None:
    with pytest.raises(ConfigError, match="name an accuracy"):
        published.make(made_up_run(), **OPTIONS["published"], quantity="test_loss")


# Checkpoints


def test_checkpoints_are_records_at_exactly_these_steps() -> None:
    results = made_up_run(
        seeds=3,
        choices={"batch_size": [32], "lr": [0.1, 0.01]},
        status={"sgd_lr0.01_batch32": "diverged", "sgd_lr0.1_batch32_seed1": "diverged"},
    )
    results = with_curves(
        results,
        "test_accuracy",
        {
            "sgd_lr0.01_batch32_seed0": [0.5, 0.6, float("nan")],
            "sgd_lr0.01_batch32_seed1": [0.5, 0.8, float("nan")],
            "sgd_lr0.01_batch32_seed2": [0.5, 0.7, float("nan")],
        },
    )
    table = checkpoints.make(results, where=SGD, steps=(150, 200, 300, 500, 1000), columns="lr")
    assert list(table.columns) == ["step", "learning rate 0.01", "learning rate 0.1"]
    assert rows(table) == [
        ["150", "-", "-"],
        ["200", "70.00 [41.69, 88.39]", "-"],
        ["300", "diverged", "- (1 of 3 diverged)"],
        ["500", "diverged", "97.20 [93.17, 98.88] (1 of 3 diverged)"],
    ]


# Values that give a published accuracy


def matches(*points: tuple[float, float], **options: Any) -> pd.DataFrame:
    """The made-up accuracies of SGD at batch size 32 are 91.2, 94.2 and 97.2%."""
    results = made_up_run(seeds=3, choices={"batch_size": [32, 64]})
    where = SGD | {"batch_size": 32}
    declared_points = [(where, 500, low, high) for low, high in points]
    return matching_values.make(results, setting="lr", points=declared_points, **options)


def test_the_values_that_give_a_published_accuracy() -> None:
    table = matches((94.5, 94.5), (92.5, 92.5), (93.0, 100.0), (0.0, 20.0))
    assert list(table.columns) == [
        "optimizer",
        "batch size",
        "step",
        "published %",
        "given by",
        "closest",
        "measured %",
        "difference",
    ]
    assert table["published %"].tolist() == ["94.5", "92.5", "over 93", "below 20"]
    assert table["given by"].tolist() == ["0.01", "none of 3", "0.01, 0.1", "none of 3"]
    assert table["closest"].tolist() == ["0.01", "0.001", "0.01", "0.001"]
    assert table["difference"].tolist() == ["-0.30", "-1.30", "+0.00", "+71.20"]
    assert table["measured %"].tolist()[0] == "94.20 [93.68, 94.68]"


def test_the_tolerance_is_in_points_and_includes_its_end() -> None:
    assert matches((94.5, 94.5), within=0.25)["given by"].tolist() == ["none of 3"]
    assert matches((92.5, 92.5), within=2.0)["given by"].tolist() == ["0.001, 0.01"]


def test_a_step_that_no_value_reached_has_no_row() -> None:
    results = made_up_run(choices={"batch_size": [32]})
    points = ((SGD, 500, 97.0, 97.0), (SGD, 9_000, 97.0, 97.0))
    table = matching_values.make(results, setting="lr", points=points)
    assert table["step"].tolist() == ["500"]
    with pytest.raises(ConfigError, match="name an accuracy"):
        matching_values.make(results, setting="lr", points=points, quantity="test_loss")
