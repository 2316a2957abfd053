"""Spaces to search in: conditions, narrowing, and what cannot be."""

import optuna
import pytest

import search_spaces
from lenet.config import ConfigError
from search_spaces import space as spaces
from search_spaces.search import SPACE, STUDY
from search_spaces.space import Choice, Dimension, Range
from study.analysis.search import described, edge_warnings, quiet_optuna, restored
from study.tuning.search import propose

MOMENTUM = Dimension("momentum", Range(0.5, 0.99), {"optimizer": frozenset({"momentum"})})
OPTIMIZER = Dimension("optimizer", Choice(("sgd", "momentum")))


def points(space, count=40):
    with quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        return [propose(space, study.ask()) for _ in range(count)]


def test_a_dimension_is_there_with_its_condition_alone():
    drawn = points((OPTIMIZER, MOMENTUM))
    assert {point["optimizer"] for point in drawn} == {"sgd", "momentum"}
    assert all(("momentum" in point) == (point["optimizer"] == "momentum") for point in drawn)
    assert all(0.5 <= point.get("momentum", 0.5) <= 0.99 for point in drawn)


def test_every_point_of_our_space_is_a_config():
    searched = STUDY.search_space({}, "quick")
    configs = {searched.config(point) for point in points(SPACE)}
    assert len(configs) == 40
    assert {config.epochs for config in configs} == {5}


def test_narrowing_fixes_chooses_and_sets_ranges():
    searched = STUDY.search_space(
        {"optimizer": ["adam"], "batch_size": ["16", "32"], "lr": ["1e-4..0.1"], "epochs": ["3"]},
        "quick",
    )
    found = {dimension.setting: dimension.domain for dimension in searched.space}
    assert found["batch_size"] == Choice((16, 32))
    assert found["lr"] == Range(1e-4, 0.1, log=True)
    # Adam has no momentum, so that dimension can no longer be there.
    assert not {"optimizer", "momentum", "epochs"} & set(found)
    config = searched.config(points(searched.space, 1)[0])
    assert (config.optimizer, config.epochs) == ("adam", 3)


def test_the_space_of_a_grid_is_its_ranges():
    searched = search_spaces.find("fan").search_space({}, "quick")
    found = {dimension.setting: dimension.domain for dimension in searched.space}
    assert found == {
        "optimizer": Choice(("sgd", "adam")),
        "lr": Range(0.001, 0.1, log=True),
        "batch_size": Choice((32, 64, 128, 256)),
    }
    assert searched.base["dropout"] == 0.0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"lr": ["1..0.1"]}, "lower end first"),
        ({"lr": ["0..0.1"]}, "begin its range above 0"),
        ({"lr": ["a..b"]}, "lr=a cannot be"),
        ({"lr": ["1e-5..1..2"]}, "one range"),
        ({"lr": ["1e-5..1e-3", "0.1..1"]}, "one range"),
        ({"lr": ["0.1..0.1"]}, "a single value"),
        ({"batch_size": ["8..64"]}, "list its values"),
        ({"batch_size": ["8", "8"]}, "has a value twice"),
        ({"optimiser": ["adam"]}, "did you mean 'optimizer'"),
        ({"seed": ["1", "2"]}, "seed is no dimension"),
    ],
)
def test_what_is_no_value_is_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        STUDY.search_space(choices, "quick")


def test_a_search_with_nothing_left_is_refused():
    everything = {d.setting: [_one(d)] for d in SPACE}
    with pytest.raises(ConfigError, match="nothing is left to search"):
        STUDY.search_space(everything, "quick")


def _one(dimension):
    over = dimension.domain
    return over.values[0] if isinstance(over, Choice) else over.low


def test_several_grids_are_no_space():
    with pytest.raises(ConfigError, match="no one space"):
        search_spaces.find("flux").search_space({}, "quick")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ((MOMENTUM, OPTIMIZER), "put optimizer before momentum"),
        ((Dimension("optimizer", Choice(("sgd", "adam"))), MOMENTUM), "which it never is"),
        ((OPTIMIZER, OPTIMIZER), "twice"),
        ((Dimension("lr", Range(0.1, 0.1)),), "no range"),
        ((Dimension("warmth", Range(0.1, 1)),), "unknown setting"),
        ((Dimension("batch_size", Choice(("large",))),), "whole number"),
    ],
)
def test_an_impossible_space_is_refused(space, message):
    with pytest.raises(ConfigError, match=message):
        spaces.check(space, {})


def test_a_fixed_setting_meets_a_condition():
    spaces.check((MOMENTUM,), {"optimizer": "momentum"})
    with pytest.raises(ConfigError, match="never is"):
        spaces.check((MOMENTUM,), {"optimizer": "sgd"})


def test_a_space_survives_its_json():
    assert [restored(described(dimension)) for dimension in SPACE] == list(SPACE)


def test_a_best_point_at_the_edge_is_named():
    def edges(**values):
        lines = edge_warnings(SPACE, {"batch_size": 64, "optimizer": "adam", **values})
        return [line.split(" of the best point")[0].removeprefix("Warning: ") for line in lines]

    assert edges(lr=0.01) == []
    assert edges(lr=0.95) == ["lr"]
    assert edges(lr=1.1e-5) == ["lr"]
    # By ratios: 0.5 is far from 1, 0.03 of the way would be 0.97 otherwise.
    assert edges(lr=0.5) == []
    assert edges(lr=0.01, batch_size=32) == ["batch_size"]
    # No dropout is not the edge of a range that somebody chose.
    assert edges(lr=0.01, dropout=0.0) == []
    assert edges(lr=0.01, dropout=0.5) == ["dropout"]
