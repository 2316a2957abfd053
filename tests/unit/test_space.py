"""Search spaces: conditions, choices of the user, and invalid spaces."""

import json
import math
import re

import optuna
import pytest

import search_spaces
from lenet.config import ConfigError
from search_spaces.search import SPACE, STUDY
from search_spaces.space import Choice, Dimension, Range, SearchSpace
from study.analysis.search import edge_warnings, quiet_optuna
from study.tuning.search import propose

MOMENTUM = Dimension("momentum", Range(0.5, 0.99), {"optimizer": frozenset({"momentum"})})
OPTIMIZER = Dimension("optimizer", Choice(("sgd", "momentum")))


def points(space, count=40):
    with quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        return [propose(space, study.ask()) for _ in range(count)]


def test_a_dimension_is_active_only_under_its_condition():
    sampled = points((OPTIMIZER, MOMENTUM))
    assert {point["optimizer"] for point in sampled} == {"sgd", "momentum"}
    assert all(("momentum" in point) == (point["optimizer"] == "momentum") for point in sampled)
    assert all(0.5 <= point.get("momentum", 0.5) <= 0.99 for point in sampled)


def test_every_point_of_the_default_space_is_a_config():
    space = STUDY.search_space({}, "quick")
    configs = {space.config(point) for point in points(SPACE)}
    assert len(configs) == 40
    assert {config.epochs for config in configs} == {5}


def test_choices_fix_settings_and_set_values_and_ranges():
    space = STUDY.search_space(
        {"optimizer": ["adam"], "batch_size": ["16", "32"], "lr": ["1e-4..0.1"], "epochs": ["3"]},
        "quick",
    )
    found = {dimension.setting: dimension.domain for dimension in space.dimensions}
    assert found["batch_size"] == Choice((16, 32))
    assert found["lr"] == Range(1e-4, 0.1, log=True)
    # Adam has no momentum, so that dimension can no longer be active.
    assert not {"optimizer", "momentum", "epochs"} & set(found)
    config = space.config(points(space.dimensions, 1)[0])
    assert (config.optimizer, config.epochs) == ("adam", 3)


def test_a_grid_becomes_ranges_and_choices():
    space = search_spaces.find("fan").search_space({}, "quick")
    found = {dimension.setting: dimension.domain for dimension in space.dimensions}
    assert found == {
        "optimizer": Choice(("sgd", "adam")),
        "lr": Range(0.001, 0.1, log=True),
        "batch_size": Choice((32, 64, 128, 256)),
    }
    assert space.fixed["dropout"] == 0.0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"lr": ["1..0.1"]}, "lower end first"),
        ({"lr": ["0..0.1"]}, "start its range above 0"),
        ({"lr": ["a..b"]}, "lr=a is invalid"),
        ({"lr": ["1e-5..1..2"]}, "one range"),
        ({"lr": ["1e-5..1e-3", "0.1..1"]}, "one range"),
        ({"lr": ["1e-4...1"]}, r"two dots in a row: type lr=1e-4\.\.1 or lr=1e-4\.\.0\.1$"),
        ({"lr": ["0.1..0.1"]}, "a single value"),
        ({"batch_size": ["8..64"]}, "list its values"),
        ({"batch_size": ["8", "8"]}, "has a value twice"),
        ({"optimiser": ["adam"]}, "did you mean 'optimizer'"),
        ({"seed": ["1", "2"]}, "seed cannot be searched"),
    ],
)
def test_an_invalid_choice_is_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        STUDY.search_space(choices, "quick")


def test_a_search_without_dimensions_is_refused():
    everything = {d.setting: [_any_value(d)] for d in SPACE}
    with pytest.raises(ConfigError, match="nothing to search"):
        STUDY.search_space(everything, "quick")


def _any_value(dimension):
    domain = dimension.domain
    return domain.values[0] if isinstance(domain, Choice) else domain.low


def test_several_grids_are_not_one_space():
    with pytest.raises(ConfigError, match="not one search space"):
        search_spaces.find("flux").search_space({}, "quick")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ((MOMENTUM, OPTIMIZER), "put optimizer before momentum"),
        ((Dimension("optimizer", Choice(("sgd", "adam"))), MOMENTUM), "which never happens"),
        ((OPTIMIZER, OPTIMIZER), "twice"),
        ((Dimension("lr", Range(0.1, 0.1)),), "empty range"),
        ((Dimension("warmth", Range(0.1, 1)),), "unknown setting"),
        ((Dimension("batch_size", Choice(("large",))),), "whole number"),
    ],
)
def test_an_invalid_space_is_refused(space, message):
    with pytest.raises(ConfigError, match=message):
        SearchSpace(space, {}).check()


def test_a_fixed_setting_meets_a_condition():
    SearchSpace((MOMENTUM,), {"optimizer": "momentum"}).check()
    with pytest.raises(ConfigError, match="never happens"):
        SearchSpace((MOMENTUM,), {"optimizer": "sgd"}).check()


def test_a_space_survives_json():
    documents = json.loads(json.dumps([dimension.to_json() for dimension in SPACE]))
    assert tuple(map(Dimension.from_json, documents)) == SPACE


def test_a_best_point_at_the_edge_of_the_space_is_reported():
    def edges(**values):
        lines = edge_warnings(SPACE, {"batch_size": 64, "optimizer": "adam", **values})
        return [re.search("point has (.*)=", line)[1].split("=")[0] for line in lines]

    assert edges(lr=0.01) == []
    assert edges(lr=0.95) == ["lr"]
    assert edges(lr=1.1e-5) == ["lr"]
    # On the log scale, 0.5 is not within 3% of the upper end.
    assert edges(lr=0.5) == []
    assert edges(lr=0.01, batch_size=32) == ["batch_size"]
    # Dropout cannot be below 0, so 0 is not an edge.
    assert edges(lr=0.01, dropout=0.0) == []
    assert edges(lr=0.01, dropout=0.5) == ["dropout"]


def test_a_range_of_whole_numbers_holds_no_other():
    whole = Range(1, 8, whole=True)
    assert 3 in whole
    assert 3.0 in whole  # a table's column with missing values has floats
    assert not any(value in whole for value in (3.5, 9, math.inf, math.nan, "3"))
