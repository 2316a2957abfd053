"""The state of a search: its database and its folder, reconciled after a killed run."""

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import TrialState

from lenet.config import ConfigError
from search_spaces.search import STUDY
from search_spaces.search_names import confirmed_number, trial_name, trial_number
from search_spaces.study import PlannedTrial
from study import search as command
from study.analysis.search import quiet_optuna
from study.runs.run_folder import RunFolder
from study.tuning import databases
from study.tuning.confirmation import Confirmation, in_proportion
from study.tuning.search import Search, propose, values_by_epoch
from tests.runs import metadata, record

FAN = str(Path(__file__).parents[2] / "docs" / "results" / "fan")
CHOICES = {"optimizer": ["adam"], "schedule": ["constant"]}


def search_in(folder, **changes):
    made = {
        "space": STUDY.search_space(CHOICES, "smoke"),
        "objectives": ("validation_accuracy",),
        "sampler": "random",
        "seed": 0,
        "trials": 10,
        "seconds": None,
        "url": databases.url_of(folder.path),
        "study_name": "made up",
    }
    return Search(**(made | changes))


@pytest.fixture
def folder(tmp_path):
    space = [d.to_json() for d in STUDY.search_space(CHOICES, "smoke").dimensions]
    return RunFolder.create(tmp_path / "run", metadata("search", options={"space": space}), [])


def begin(search, folder, count):
    """Propose and plan `count` trials, as the suggester does, and return them."""
    begun = []
    for _ in range(count):
        with quiet_optuna():
            trial = search.study.ask()
            config = search.config(propose(search.space.dimensions, trial))
        begun.append(PlannedTrial(name=trial_name(trial.number, config), config=config))
        folder.extend_plan(begun[-1:])
        folder.trial(begun[-1].name).begin({})
    return begun


def states(search):
    return [trial.state for trial in search.study.get_trials(deepcopy=False)]


def test_a_killed_search_is_reconciled_with_its_folder(folder):
    first = search_in(folder)
    first.open(folder, resumed=False)
    ended, stopped, diverged, failed, running = begin(first, folder, 5)
    folder.trial(ended.name).finish("finished", [record(1, 0.8), record(2, 0.9)])
    folder.trial(stopped.name).save([record(10, 0.3), record(20, 0.4)], b"")
    folder.trial(stopped.name).mark("stopped")
    folder.trial(diverged.name).finish("diverged", [record(1, float("nan"), diverged=True)])
    folder.trial(failed.name).mark("failed", "made up")
    with quiet_optuna():
        first.study.ask()  # proposed, and killed before it was planned

    second = search_in(folder)
    second.open(folder, resumed=True)
    assert states(second) == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
        TrialState.RUNNING,
        TrialState.FAIL,
    ]
    assert second.study.trials[0].value == 0.9
    # A stopped trial counts with the value it had reached, so that samplers can rank it.
    assert second.study.trials[1].intermediate_values == {1: 0.3, 2: 0.4}
    assert second.study.trials[1].value == 0.4
    # A trial that failed, for example on a full disk, is trained again.
    assert second.pending == [failed, running]
    assert (second.done, second.left) == (3, 7)


def test_pruned_trials_compare_after_the_same_epochs(folder):
    search = search_in(folder)
    search.open(folder, resumed=False)
    worse, better, diverging = begin(search, folder, 3)

    def stopped(planned, batch_size, accuracy):
        steps = 960 // batch_size  # of an epoch
        curve = [
            replace(record(epoch * steps, accuracy), epoch=float(epoch)) for epoch in (1, 2, 3)
        ]
        search.tell(trial_number(planned.name), curve, stopped=True)

    # The smaller batch has taken twice the steps in the same three epochs.
    stopped(worse, 32, 0.12)
    stopped(better, 64, 0.34)
    search.tell(trial_number(diverging.name), [record(1, math.nan, diverged=True)], stopped=True)
    trials = search.study.get_trials(states=(TrialState.PRUNED,))
    assert [trial.intermediate_values[3] for trial in trials] == [0.12, 0.34]
    # What TPE takes for its good and its bad trials (optuna 5.0.0).
    good, bad = _split_trials(search.study, trials, n_below=1)
    assert [trial.number for trial in good] == [trial_number(better.name)]
    assert [trial.number for trial in bad] == [trial_number(worse.name)]


def test_a_record_between_two_epochs_counts_for_the_complete_ones():
    records = [record(step, step / 100) for step in (5, 9, 12, 18, 23)]  # ten steps an epoch
    records.append(record(31, math.nan))  # not evaluated
    assert values_by_epoch(records, "validation_accuracy") == {0: 0.05, 1: 0.12, 2: 0.23}


def test_a_folder_behind_the_database_is_brought_up_to_date(folder):
    first = search_in(folder)
    first.open(folder, resumed=False)
    stopped, _ = begin(first, folder, 2)
    folder.trial(stopped.name).save([record(1, 0.4)], b"")
    first.tell(0, folder.trial(stopped.name).records(), stopped=True)

    second = search_in(folder, trials=1)
    second.open(folder, resumed=True)
    assert folder.trial(stopped.name).state()["status"] == "stopped"
    # Running trials are finished, even if fewer were requested.
    assert (second.done, second.left) == (1, 1)


def test_an_abandoned_start_point_is_proposed_again(folder):
    point = {"lr": 0.01, "batch_size": 64}
    first = search_in(folder, start_from=[point])
    first.open(folder, resumed=False)
    with quiet_optuna():
        first.study.ask()  # proposed, and killed before it was planned
    second = search_in(folder, start_from=[point])
    second.open(folder, resumed=True)
    (planned,) = begin(second, folder, 1)
    assert planned.config.to_dict().items() >= point.items()


def test_a_resumed_sampler_does_not_repeat_its_proposals(folder):
    first = search_in(folder)
    first.open(folder, resumed=False)
    before = [planned.config for planned in begin(first, folder, 3)]
    second = search_in(folder)
    second.open(folder, resumed=True)
    after = [planned.config for planned in begin(second, folder, 3)]
    assert not set(before) & set(after)


def test_start_points_come_first(folder):
    point = {"lr": 0.01, "batch_size": 64, "dropout": 0.25, "weight_decay": 1e-4}
    search = search_in(folder, start_from=[point])
    search.open(folder, resumed=False)
    (planned,) = begin(search, folder, 1)
    assert planned.config.to_dict().items() >= point.items()


def test_with_two_objectives_a_diverged_trial_fails(folder):
    two = search_in(folder, objectives=("validation_accuracy", "train_seconds"))
    two.open(folder, resumed=False)
    good, bad = begin(two, folder, 2)
    two.tell(0, [record(2, 0.9)], stopped=False)
    two.tell(1, [record(1, float("nan"), diverged=True)], stopped=False)
    assert states(two) == [TrialState.COMPLETE, TrialState.FAIL]
    assert two.study.trials[0].values == [0.9, 1.0]
    assert [d.name for d in two.study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert {trial_number(good.name), trial_number(bad.name)} == {0, 1}


def test_a_search_never_reads_the_test_set(folder):
    assert not search_in(folder).samples(3)[0].test_at_end


@pytest.mark.parametrize("sampler", command.SAMPLERS)
def test_every_sampler_proposes(folder, sampler):
    search = search_in(folder, sampler=sampler)
    search.open(folder, resumed=False)
    assert type(search.study.sampler).__name__.lower().removesuffix("sampler") == sampler
    for planned in (one for _ in range(14) for one in begin(search, folder, 1)):
        search.tell(trial_number(planned.name), [record(1, planned.config.dropout)], stopped=False)
    assert states(search) == [TrialState.COMPLETE] * 14


def test_a_locked_database_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "_LOCK_TIMEOUT", 0.1)
    url = f"sqlite:///{tmp_path / 'some.db'}"
    databases.connect(url)
    holder = sqlite3.connect(tmp_path / "some.db")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(ConfigError, match=r"locked.*wait until the process that locked it"):
            databases.connect(url)
    finally:
        holder.close()


def test_a_database_that_is_locked_during_a_search_is_named(folder, monkeypatch):
    monkeypatch.setattr(databases, "_LOCK_TIMEOUT", 0.1)
    search = search_in(folder)
    search.open(folder, resumed=False)
    holder = sqlite3.connect(folder.path / "optuna.db")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with (
            pytest.raises(OSError, match=r"database is locked: wait until"),
            databases.translated_errors(),
            quiet_optuna(),
        ):
            search.study.ask()
    finally:
        holder.close()


@pytest.mark.parametrize(
    ("trials", "settings_and_seeds"),
    [(1, (1, 3)), (6, (1, 3)), (12, (2, 3)), (20, (2, 5)), (40, (5, 5)), (500, (5, 5))],
)
def test_a_confirmation_is_in_proportion_to_its_search(trials, settings_and_seeds):
    settings, seeds = in_proportion(trials)
    assert (settings, seeds) == settings_and_seeds
    assert settings == 1 or settings * seeds <= trials * 5 / 8


@pytest.mark.parametrize(
    ("objective", "near", "far"),
    [
        ("validation_accuracy", [0.97, 0.95, 0.94], [0.93, 0.58, 0.1]),
        ("validation_accuracy", [1.0, 0.99], [0.98]),
        ("validation_loss", [0.1, 0.2], [0.21, 2.3]),
        ("train_loss", [-4.0, -1.0], [0.5]),
        ("samples_per_second", [400.0, 200.0], [199.0]),
    ],
)
def test_only_settings_near_the_best_are_confirmed(folder, objective, near, far):
    search = search_in(folder)
    search.open(folder, resumed=False)
    values = [*far, *reversed(near)]
    planned = begin(search, folder, len(values))
    for one, value in zip(planned, values, strict=True):
        folder.trial(one.name).finish("finished", [replace(record(20), **{objective: value})])
    confirmations = Confirmation(objective, best=len(values), seeds=2).plan(folder)
    confirmed = {confirmed_number(one.name) for one in confirmations}
    assert confirmed == set(range(len(far), len(values)))
    assert len(confirmations) == 2 * len(near)
    assert all(one.config.test_at_end for one in confirmations)


def test_a_confirmation_is_not_the_best_of_the_search(folder):
    search = search_in(folder)
    search.open(folder, resumed=False)
    (planned,) = begin(search, folder, 1)
    folder.trial(planned.name).finish("finished", [record(20, 0.9)])
    (again,) = Confirmation("validation_accuracy", best=1, seeds=1).plan(folder)
    folder.extend_plan([again])
    folder.trial(again.name).begin({})
    folder.trial(again.name).finish("finished", [record(20, 0.95)])

    def of_search(name):
        return trial_number(name) is not None

    assert folder.best("validation_accuracy") == (again.name, 0.95)
    assert folder.best("validation_accuracy", of_search) == (planned.name, 0.9)


def test_a_file_that_is_not_a_database_is_named(tmp_path):
    (tmp_path / "some.db").write_text("not a database, and longer than a hundred bytes " * 9)
    with pytest.raises(ConfigError, match="cannot use the database"):
        databases.connect(f"sqlite:///{tmp_path / 'some.db'}")


def test_a_database_of_another_study_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'some.db'}"
    with quiet_optuna():
        optuna.create_study(storage=databases.connect(url), study_name="mine")
    databases.check(url, "mine", resumed=True)
    databases.check(url, "new", resumed=False)
    with pytest.raises(ConfigError, match="already has a study 'mine'"):
        databases.check(url, "mine", resumed=False)
    with pytest.raises(ConfigError, match="has no study 'other'"):
        databases.check(url, "other", resumed=True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:secret@host/base", "postgresql+psycopg://me:***@host/base"),
        (
            "postgresql+psycopg://host/base?user=me&password=secret",
            "postgresql+psycopg://host/base?password=***&user=me",
        ),
        (
            "mssql+pyodbc://?odbc_connect=SERVER%3Dhost%3BPWD%3Dsecret",
            "mssql+pyodbc://?odbc_connect=***",
        ),
    ],
)
def test_passwords_are_hidden(url, shown):
    assert databases.without_password(url) == shown
    words = ["--trials", "3", f"--optuna-storage={url}"]
    assert "secret" not in " ".join(databases.hide_passwords(words, url))


@pytest.mark.parametrize(
    "url", ["postgres//me:secret@host/base", "postgresql://me:secret@host:x/b"]
)
def test_a_mistyped_url_is_not_repeated(url):
    with pytest.raises(ConfigError, match="is not the URL of a database") as refused:
        databases.without_password(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sampler", "bayes"], "invalid choice: 'bayes'"),
        (["--objectives", "accurracy"], "unknown objective"),
        (["--objectives", ""], "unknown objective"),
        (["--confirm", "0x5"], "or 0x0 for no confirmation"),
        (["--objectives", "val_loss,val_loss"], "two different ones"),
        (["--objectives", "val_accuracy,train_seconds", "--scheduler", "asha"], "one objective"),
        (["--confirm", "5"], "5x5"),
        (["--time-limit", "soon"], "30m"),
        (["--set", "dataset=mnist,digits"], "set one dataset"),
        (["--set", "dropout=0..1"], "dropout=1 is out of range"),
        (["--set", "optimizer=adam,ftrl"], "optimizer=ftrl takes no weight_decay"),
        (["--set", "milestones=2+3,4+5", "--set", "schedule=multistep"], "several numbers"),
        (["--set", "test_curve=true"], "never reads the test set"),
        (
            ["--set", "validation_fraction=0"],
            "validation_accuracy does not exist with",
        ),
        (["--objectives", "test_accuracy"], "test_accuracy is reserved for the confirmation"),
        (["--objectives", "val_accuracy,train_seconds", "--sampler", "cmaes"], "one objective"),
        (
            ["--optuna-storage", "postgresql://me:secret@host:port/base"],
            "not the URL of a database",
        ),
        (["--set", "lr=1..0.1"], "lower end first"),
        (["--seeds", "2", "--scheduler", "asha"], "--seeds 2 judges a point by all its seeds"),
        (["--pack", "1"], "a number of trials, 2 or more"),
        (
            ["--sampler", "cmaes", "fan", "--set", "lr=0.1,0.01"],
            "--sampler cmaes adapts ranges of numbers",
        ),
        (
            ["fan", "--set", "model=softmax", "--start-from", FAN],
            "(model lenet is not softmax)",
        ),
        (["--set", "optimizer=rmsprop", "--start-from", FAN], "optimizer adam is not rmsprop"),
        (["--optuna-storage", "mysql://me@host/base"], "pip install pymysql"),
        (["--optuna-storage", "postgresql://me@host/base"], "pip install 'psycopg[binary]'"),
        (["--optuna-storage", "postgresql+nothing://me@host/base"], "not installed"),
        (["flux"], "not one search space"),
        (["--optuna-storage", ""], "not the URL of a database"),
        (["--optuna-storage", "nowhere"], "not the URL of a database"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys):
    try:
        code = command.main(arguments)
    except SystemExit as exit:
        code = exit.code
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
