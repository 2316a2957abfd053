"""Studies: their plans, and the choices of the user."""

import pytest

import search_spaces
from lenet import ConfigError
from search_spaces.fan import FAN
from search_spaces.study import Grid, Study


def test_fan_is_the_published_grid():
    plan = FAN.plan("paper", seeds=1)
    points = {(p.config.optimizer, p.config.lr, p.config.batch_size) for p in plan}
    assert len(plan) == len(points) == 2 * 3 * 4
    assert {p.config.epochs for p in plan} == {10}
    assert {p.config.train_samples for p in plan} == {None}
    assert {p.config.dropout for p in plan} == {0}


def test_seeds_are_the_outermost_loop_and_names_are_unique():
    plan = FAN.plan("quick", seeds=3)
    assert [p.config.seed for p in plan] == [0] * 24 + [1] * 24 + [2] * 24
    assert len({p.name for p in plan}) == len(plan)
    assert plan[0].name == "sgd_lr0.1_batch32_seed0"


def test_choices_replace_dimensions_and_fixed_settings():
    study = FAN.with_choices({"lr": ["0.3", "0.1"], "optimizer": ["sgd"], "epochs": ["3"]})
    configs = [p.config for p in study.plan("quick", seeds=1)]
    assert {c.lr for c in configs} == {0.3, 0.1}
    assert {c.optimizer for c in configs} == {"sgd"}
    assert {c.epochs for c in configs} == {3}
    assert len(configs) == 2 * 4


def test_a_fixed_setting_becomes_a_dimension():
    study = FAN.with_choices({"weight_decay": ["0", "0.01"], "lr": ["0.1"], "batch_size": ["32"]})
    plan = study.plan("quick", seeds=1)
    assert [p.config.weight_decay for p in plan] == [0, 0.01, 0, 0.01]
    assert len({p.name for p in plan}) == 4


def test_dropout_is_a_dimension():
    plan = FAN.with_choices({"dropout": ["0", "0.5"]}).plan("quick", seeds=1)
    assert len(plan) == 48
    assert sum("dropout0.5" in p.name for p in plan) == 24


def test_an_invalid_point_is_refused():
    study = FAN.with_choices({"optimizer": ["sgd", "momentum"], "momentum": ["0.5"]})
    with pytest.raises(ConfigError, match="sgd takes no momentum"):
        study.plan("quick", seeds=1)


def test_the_fallback_data_set_does_not_replace_a_chosen_one():
    assert {p.config.dataset for p in FAN.plan("quick", 1, "digits")} == {"digits"}
    chosen = FAN.with_choices({"dataset": ["mnist", "kmnist"]})
    assert {p.config.dataset for p in chosen.plan("quick", 1)} == {"mnist", "kmnist"}


def test_every_study_plans_at_every_budget():
    for study in search_spaces.studies().values():
        for budget in study.budgets:
            assert study.plan(budget, seeds=2)


LINES = Study(
    name="lines",
    question="?",
    source="made up",
    fixed={"dataset": "digits", "epochs": 2},
    grids=(
        Grid(space={"optimizer": ("sgd",), "lr": (0.1, 0.01)}, budgets={"paper": {"epochs": 9}}),
        Grid(space={"optimizer": ("adagrad", "momentum"), "lr": (0.01,)}, settings={"epochs": 5}),
    ),
    budgets={"smoke": {}, "quick": {}, "paper": {}},
    conditional_settings=(({"optimizer": "adagrad"}, {"initial_accumulator": 0.1}),),
)


def points(study, budget="quick"):
    return [(p.config.optimizer, p.config.lr, p.config.epochs) for p in study.plan(budget, 1)]


def test_each_grid_has_its_own_settings_and_budgets():
    assert points(LINES) == [
        ("sgd", 0.1, 2),
        ("sgd", 0.01, 2),
        ("adagrad", 0.01, 5),
        ("momentum", 0.01, 5),
    ]
    assert points(LINES, "paper")[0] == ("sgd", 0.1, 9)
    accumulators = [p.config.initial_accumulator for p in LINES.plan("quick", 1)]
    assert accumulators == [None, None, 0.1, None]


def test_choices_apply_to_each_grid():
    assert points(LINES.with_choices({"optimizer": ["adagrad"]})) == [("adagrad", 0.01, 5)]
    # 0.01 stays in the grids that have it; 1 goes to both.
    assert points(LINES.with_choices({"lr": ["1", "0.01"], "optimizer": ["sgd", "momentum"]})) == [
        ("sgd", 1, 2),
        ("sgd", 0.01, 2),
        ("momentum", 1, 5),
        ("momentum", 0.01, 5),
    ]
    chosen = LINES.with_choices({"epochs": ["3"], "initial_accumulator": ["0.5"]})
    assert {epochs for _, _, epochs in points(chosen.with_choices({"optimizer": ["adagrad"]}))} == {
        3
    }
    (planned,) = chosen.with_choices({"optimizer": ["adagrad"]}).plan("paper", 1)
    assert planned.config.initial_accumulator == 0.5


def test_a_point_that_two_grids_would_train_differently_is_refused():
    study = LINES.with_choices({"optimizer": ["adam"], "lr": ["0.01"]})  # of 2 epochs and of 5
    with pytest.raises(ConfigError, match=r"train lr0.01_seed0 with different epochs"):
        study.plan("quick", seeds=1)
    assert study.with_choices({"epochs": ["3"]}).plan("quick", seeds=1)


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'fan'"):
        search_spaces.find("fann")
