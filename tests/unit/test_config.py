"""TrainConfig and the grid's command line: valid and invalid settings, and their messages."""

import json

import pytest

from lenet import ConfigError, TrainConfig, registry
from study import grid


def test_json_round_trip():
    config = TrainConfig(
        optimizer="momentum", momentum=0.8, schedule="multistep", milestones=(2, 5)
    )
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_numbers_and_text_give_the_same_config():
    typed = TrainConfig(
        lr=0.1, batch_size=32, shuffle=False, milestones=(1, 2), schedule="multistep"
    )
    text = TrainConfig.from_dict(
        {
            "lr": "1e-1",
            "batch_size": "32",
            "shuffle": "false",
            "milestones": "1+2",
            "schedule": "multistep",
        }
    )
    assert text == typed
    assert text.id == typed.id


def test_every_setting_changes_the_id():
    changes = {"lr": 0.2, "seed": 1, "batch_size": 64, "test_curve": True, "train_samples": 5}
    ids = {TrainConfig().replace(**{name: value}).id for name, value in changes.items()}
    assert len(ids | {TrainConfig().id}) == len(changes) + 1


@pytest.mark.parametrize(
    ("settings", "config_id"),
    [
        ({}, "6c1f1210403c"),
        (
            {
                "optimizer": "momentum",
                "lr": 0.1,
                "momentum": 0.5,
                "schedule": "multistep",
                "milestones": (2, 4),
                "dataset": "digits",
                "model": "4ls",
                "loss": "mse",
                "seed": 3,
            },
            "8017b9d07264",
        ),
        (
            {
                "dataset": "line",
                "model": "linear",
                "loss": "sum-of-squares",
                "validation_fraction": 0,
                "optimizer": "sgd",
                "lr": 0.01,
                "batch_size": 4,
                "epochs": None,
                "steps": 50,
            },
            "2352ad0739dc",
        ),
    ],
)
def test_ids_never_change(settings, config_id):
    """The ids of November 2026: complete trials of that time are found by them."""
    assert TrainConfig(**settings).id == config_id


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1}, "lr=-1 is out of range: lr must be above 0"),
        ({"lr": float("nan")}, "lr must be a finite number"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"dropout": 1}, "dropout must be at least 0 and below 1"),
        ({"optimizer": "sdg"}, "did you mean 'sgd'?"),
        ({"dataset": "mnits"}, "did you mean 'mnist'?"),
        ({"model": "lanet"}, "did you mean 'lenet'?"),
        ({"schedule": "step"}, "unknown schedule 'step'"),
        ({"schedule": "multistep"}, "set milestones too"),
        ({"schedule": "multistep", "milestones": (5, 2)}, "milestones must increase"),
        ({"optimizer": "adam", "momentum": 0.9}, "adam takes no momentum"),
        ({"gamma": 0.5}, "constant takes no gamma"),
        ({"decay_steps": 100}, "constant takes no decay_steps"),
        ({"epochs": None}, "give a run no end: set one of them, e.g."),
        ({"shuffle": "perhaps"}, "shuffle must be true or false"),
        ({"lr": None}, "lr needs a value"),
        ({"learning_rate": 0.1}, "unknown setting 'learning_rate'"),
    ],
)
def test_invalid_settings_are_refused_in_one_line(settings, message):
    with pytest.raises(ConfigError) as error:
        TrainConfig.from_dict(settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_optimizer_takes_every_setting_it_lists():
    values = {"momentum": 0.5, "rho": 0.8, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3}
    for name, spec in registry.OPTIMIZERS.items():
        settings = {setting: values.get(setting, 0.1) for setting in spec.settings}
        assert TrainConfig.from_dict({"optimizer": name, **settings}).optimizer == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fam"], "did you mean 'fan'?"),
        (["--set", "optimizer=sdg"], "did you mean 'sgd'?"),
        (["--set", "dataset=minst"], "did you mean 'mnist'?"),
        (["--set", "learningrate=1"], "unknown setting 'learningrate'"),
        (["--set", "lr=-1"], "lr must be above 0"),
        (["--set", "batch_size=0"], "batch_size must be 1 or more"),
        (["--set", "dropout=1"], "dropout must be at least 0 and below 1"),
        (["--set", "lr"], "--set SETTING=VALUE"),
        (["--set", "lr=0.1,0.1"], "lr has a value twice"),
        (["--set", "lr=0.1", "--set", "lr=0.2"], "lr is set twice"),
        (["--set", "seed=3"], "use --seeds N"),
        (["--resume", "nowhere"], "nowhere is not a run"),
        (["--resume", "nowhere", "--seeds", "2"], "omit --seeds"),
        (["--resume", "nowhere", "fan"], "omit fan"),
        (["--resume", "nowhere", "--grids", "dropout"], "omit --grids"),
        (["--grids", "dropout,large"], "unknown grid of fan 'large'"),
        (["--grids", ""], "unknown grid of fan ''"),
        (["--set", "lr=1e-3..1"], "search the range with python -m study.search"),
    ],
)
def test_bad_input_ends_with_one_line_and_exit_code_2(arguments, message, capsys):
    assert grid.main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize(
    "arguments",
    [["--seeds", "0"], ["--budget", "huge"], ["--cpus-per-trial", "-1"], ["--scheduler", "x"]],
)
def test_bad_options_end_with_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        grid.main(arguments)
    assert end.value.code == 2
    assert arguments[0] in capsys.readouterr().err
