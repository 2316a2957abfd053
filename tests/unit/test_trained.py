"""Trained models in files, and the commands that train them again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lenet import ConfigError, TrainConfig, datasets, trained
from lenet.evaluation import evaluate
from lenet.losses import CROSS_ENTROPY
from lenet.training import Run, train
from study import commandline, grid
from study.analysis.leaderboard import leaderboard, settings_of
from study.analysis.results import select
from study.report.winner import Winner, retrain_command, winners
from study.request import Request
from tests.unit.made_up_run import made_up_run
from tests.unit.made_up_search import CONFIRMATIONS, ENDS, SPACE_OF_SEARCH, made_up_search, point


def test_a_trained_model_gives_its_test_accuracy_again(tmp_path):
    config = TrainConfig(dataset="digits", dropout=0.2, width=2, epochs=1, train_samples=200)
    data = datasets.load("digits")
    run = Run(config, data)
    *_, last = train(run)
    (tmp_path / "model.pt").write_bytes(trained.as_bytes(run))
    state = torch.get_rng_state()
    model, read = trained.load(tmp_path / "model.pt")
    assert torch.equal(state, torch.get_rng_state())
    assert read == config
    assert evaluate(model, CROSS_ENTROPY, data.test) == (last.test_loss, last.test_accuracy)


@pytest.mark.parametrize("content", [None, b"", b"PK", b"x" * 1000])
def test_another_file_is_no_trained_model(tmp_path, content):
    path = tmp_path / "model.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"name a model\.pt|name the model\.pt of a trial"):
        trained.load(path)


def planned_by(command):
    """Return the configs that a command of `study.grid` plans."""
    _, _, tool, *typed = command.split()
    assert tool == "study.grid"
    options = grid._parser().parse_args(typed)
    request = Request(
        study=options.study,
        budget=options.budget,
        seeds=options.seeds,
        choices=commandline.choices(options),
        scheduler="none",
    )
    return [planned.config for planned in request.plan()]


def found_in(results, folder=Path("no-models")):
    return winners(results, leaderboard(results), folder)


def keep_model(folder, trial):
    path = folder / "trials" / trial / "model.pt"
    path.parent.mkdir(parents=True)
    path.touch()
    return path.relative_to(folder)


def best_setting(results):
    """Return the trials of the best setting, the best first."""
    settings = leaderboard(results).iloc[0][settings_of(leaderboard(results), results.objective)]
    trials = select(results.trials, settings.to_dict())
    return trials.sort_values("validation_accuracy", ascending=False)


def with_accuracies(results, accuracies):
    """Return results in which the named trials have these validation accuracies."""
    trials = results.trials
    found = trials["trial"].map(accuracies).fillna(trials["validation_accuracy"])
    return replace(results, trials=trials.assign(validation_accuracy=found))


def config_of(trial):
    settings = {name: trial[name] for name in TrainConfig().to_dict() if name in trial}
    unset = {name: None if value != value else value for name, value in settings.items()}
    return TrainConfig.from_dict(unset)


@pytest.mark.parametrize(
    "choices", [{}, {"dropout": [0.25, 0.5]}, {"dataset": ["digits"], "optimizer": ["rmsprop"]}]
)
def test_the_best_setting_has_the_model_of_its_best_seed_and_a_command_for_all(tmp_path, choices):
    results = made_up_run(seeds=3, choices=choices)
    first_seed = best_setting(results).query("seed == 0")["trial"].item()
    results = with_accuracies(results, {first_seed: 1.0})
    model = keep_model(tmp_path, first_seed)
    (found,) = found_in(results, tmp_path)
    assert (found.what, found.model) == ("the best setting", model)
    wanted = config_of(best_setting(results).iloc[0])
    assert planned_by(found.command) == [wanted.replace(seed=seed) for seed in range(3)]


def test_a_lucky_seed_of_another_setting_is_the_best_trial_but_not_the_best_setting(tmp_path):
    results = made_up_run(seeds=3)
    wanted = config_of(best_setting(results).iloc[0])
    lucky = results.trials.sort_values("validation_accuracy").iloc[0]["trial"]
    model = keep_model(tmp_path, lucky)
    setting, trial = found_in(with_accuracies(results, {lucky: 1.0}), tmp_path)
    assert (setting.what, setting.model) == ("the best setting", None)
    assert planned_by(setting.command) == [wanted.replace(seed=seed) for seed in range(3)]
    assert trial == Winner("the best trial", model, None)


def test_each_data_set_has_a_best_setting():
    results = made_up_run(choices={"dataset": ["digits", "mnist"]})
    found = found_in(results)
    assert [each.what for each in found] == [
        "the best setting on digits",
        "the best setting on mnist",
    ]
    assert [planned_by(each.command)[0].dataset for each in found] == ["digits", "mnist"]


def test_a_seed_that_was_stopped_is_trained_again_too(tmp_path):
    results = made_up_run(seeds=3)
    best = best_setting(results)
    first_seed, last_seed = (best.query(f"seed == {seed}")["trial"].item() for seed in (0, 2))
    model = keep_model(tmp_path, first_seed)
    stopped = results.trials["status"].where(results.trials["trial"] != last_seed, "stopped")
    results = replace(results, trials=results.trials.assign(status=stopped))
    (found,) = found_in(with_accuracies(results, {first_seed: 1.0}), tmp_path)
    assert found.model == model
    assert found.command.endswith("--seeds 3")


def test_a_stopped_trial_that_leads_has_the_command():
    """Trial 2 was stopped at 0.99 and leads the leaderboard; trial 1 is the best to the end."""
    (found,) = found_in(made_up_search(ENDS))
    wanted = SPACE_OF_SEARCH.config(point(2))
    assert planned_by(found.command) == [wanted]


def test_the_setting_that_a_search_confirmed_has_a_command_up_to_its_last_fresh_seed():
    """Trial 1 is the search's best, but trial 4 is better with fresh seeds."""
    results = made_up_search(ENDS, CONFIRMATIONS)
    (winner,) = found_in(results)
    assert (winner.what, winner.model) == ("the best setting", None)
    wanted = SPACE_OF_SEARCH.config(point(4)).replace(test_at_end=True)
    trained = planned_by(winner.command)
    assert [config.replace(seed=0) for config in trained] == [wanted] * 3
    assert [config.seed for config in trained] == [0, 1, 2]  # 1 and 2 are the fresh ones


def test_a_long_command_is_on_the_page_only():
    model = Path("trials", "a", "model.pt")
    assert Winner("the best setting", model, "python -m study.grid").lines == [
        "Trained model of the best setting: trials/a/model.pt",
        "To train the best setting again, type",
        "  python -m study.grid",
    ]
    assert Winner("the best setting", None, "python -m study.grid" + 200 * "x").lines == [
        "The page has the command that trains the best setting again"
    ]
    assert Winner("the best trial", model, None).lines == [
        "Trained model of the best trial: trials/a/model.pt"
    ]


def test_the_best_of_equal_trials_has_the_best_setting():
    results = made_up_run()
    tied = results.trials.assign(validation_accuracy=1.0)
    results = replace(results, trials=tied.sample(frac=1, random_state=0))
    best = leaderboard(results).iloc[0]
    (winner,) = found_in(results)
    config = planned_by(winner.command)[-1]
    assert (config.optimizer, config.lr, config.batch_size) == (
        best["optimizer"],
        best["lr"],
        best["batch_size"],
    )


def test_a_config_that_no_grid_contains_has_no_command():
    results = made_up_run()
    settings = TrainConfig().to_dict()
    assert retrain_command(results, settings | {"optimizer": "no-such"}) is None
