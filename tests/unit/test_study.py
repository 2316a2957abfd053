"""Studies as data: their plans, and narrowing them."""

import pytest

import search_spaces
from lenet import ConfigError
from search_spaces.fan import STUDY as FAN


def test_fan_is_the_published_grid():
    plan = FAN.plan("paper", seeds=1)
    points = {(p.config.optimizer, p.config.lr, p.config.batch_size) for p in plan}
    assert len(plan) == len(points) == 2 * 3 * 4
    assert {p.config.epochs for p in plan} == {10}
    assert {p.config.train_samples for p in plan} == {None}
    assert {p.config.dropout for p in plan} == {0}


def test_repeats_come_whole_and_names_are_unique():
    plan = FAN.plan("quick", seeds=3)
    assert [p.config.seed for p in plan] == [0] * 24 + [1] * 24 + [2] * 24
    assert len({p.name for p in plan}) == len(plan)
    assert plan[0].name == "sgd_lr0.1_batch32_seed0"


def test_a_dimension_is_narrowed_and_a_fixed_setting_replaced():
    study = FAN.narrowed({"lr": ["0.3", "0.1"], "optimizer": ["sgd"], "epochs": ["3"]})
    configs = [p.config for p in study.plan("quick", seeds=1)]
    assert {c.lr for c in configs} == {0.3, 0.1}
    assert {c.optimizer for c in configs} == {"sgd"}
    assert {c.epochs for c in configs} == {3}
    assert len(configs) == 2 * 4


def test_a_fixed_setting_becomes_a_dimension():
    study = FAN.narrowed({"weight_decay": ["0", "0.01"], "lr": ["0.1"], "batch_size": ["32"]})
    plan = study.plan("quick", seeds=1)
    assert [p.config.weight_decay for p in plan] == [0, 0.01, 0, 0.01]
    assert len({p.name for p in plan}) == 4


def test_dropout_is_a_dimension():
    plan = FAN.narrowed({"dropout": ["0", "0.5"]}).plan("quick", seeds=1)
    assert len(plan) == 48
    assert sum("dropout0.5" in p.name for p in plan) == 24


def test_an_impossible_point_is_refused():
    study = FAN.narrowed({"optimizer": ["sgd", "momentum"], "momentum": ["0.5"]})
    with pytest.raises(ConfigError, match="sgd takes no momentum"):
        study.plan("quick", seeds=1)


def test_the_fallback_data_set_leaves_a_chosen_one_alone():
    assert {p.config.dataset for p in FAN.plan("quick", 1, "digits")} == {"digits"}
    chosen = FAN.narrowed({"dataset": ["mnist", "kmnist"]})
    assert {p.config.dataset for p in chosen.plan("quick", 1)} == {"mnist", "kmnist"}


def test_every_study_plans_at_every_budget():
    for study in search_spaces.studies().values():
        for budget in study.budgets:
            assert study.plan(budget, seeds=2)


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'fan'"):
        search_spaces.find("fann")
