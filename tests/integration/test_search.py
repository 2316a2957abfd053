"""`python -m study.search` on a real Ray: proposals, stops, confirmation, and a killed search."""

import re
import subprocess
import sys
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from search_spaces.search_names import confirmed_number, trial_number
from study import search
from study.analysis.leaderboard import leaderboard
from study.analysis.results import Results
from study.analysis.search import quiet_optuna
from study.report import __main__ as report
from study.report.winner import winners
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE
from study.tuning import databases
from tests import hparams_tab
from tests.drivers import kill, wait_for
from tests.terminal import unwrapped

DIGITS = ("--budget", "smoke", "--set", "dataset=digits")
# Few good learning rates and many bad ones, so that the scheduler stops some trials.
SPACE = ("--set", "optimizer=adam,sgd", "--set", "lr=1e-5..0.01", "--set", "schedule=constant")
FAN = Path(__file__).parents[2] / "docs" / "results" / "fan"


def optuna_trials(folder):
    with quiet_optuna():
        names = optuna.get_all_study_names(databases.url_of(folder))
        (name,) = names
        return optuna.load_study(study_name=name, storage=databases.url_of(folder)).trials


def trials_of(folder):
    return pd.read_parquet(folder / "trials.parquet").set_index("trial")


@pytest.fixture(scope="module")
def run_search(ray_address):
    # Two workers: each takes seconds of a core to import torch.
    two = ["--address", ray_address, "--max-concurrent", "2"]
    return lambda *arguments: search.main([*two, *map(str, arguments)])


@pytest.fixture(scope="module")
def searched(run_search, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "searched"
    code = run_search(
        *DIGITS,
        *SPACE,
        *("--set", "epochs=3", "--set", "batch_size=16,32", "--trials", "9"),
        *("--scheduler", "asha", "--confirm", "2x2", "--results", folder),
    )
    return folder, code


def test_a_search_from_command_to_figures(searched):
    folder, code = searched
    assert code == 0
    trials = trials_of(folder)
    of_search = trials[trials.index.map(trial_number).notna()]
    assert len(of_search) == 9
    assert set(of_search["status"]) <= {"finished", "stopped", "diverged"}
    assert "stopped" in set(of_search["status"])
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    assert figures >= {"history", "timeline", "confirmed", "slices", "parallel"}
    confirmed = pd.read_csv(folder / "tables" / "confirmed.csv")
    assert confirmed["rank"].tolist() == [1, 2]
    assert set(confirmed["seeds"]) == {2}
    hparams_tab.check_shows_all_trials(folder)


def test_only_the_confirmation_reads_the_test_set(searched):
    trials = trials_of(searched[0])
    is_search = trials.index.map(trial_number).notna()
    assert trials.loc[is_search, "test_accuracy"].isna().all()
    confirmation = trials[~is_search]
    assert len(confirmation) == 4
    # Trained to the end, with seeds that the search has not used.
    assert set(confirmation["status"]) == {"finished"}
    assert set(confirmation["seed"]) == {1, 2}
    assert confirmation["test_accuracy"].notna().all()


def test_the_best_setting_leaves_its_model(searched):
    """Each confirmed setting keeps one, and the search's best trial keeps its own."""
    folder, _ = searched
    trials = trials_of(folder)
    kept = [name for name in trials.index if (folder / "trials" / name / "model.pt").is_file()]
    numbers = [confirmed_number(name) for name in kept if trial_number(name) is None]
    assert len(kept) == 3
    assert len(set(numbers)) == 2
    confirmation = trials[trials.index.map(trial_number).isna()]
    points = confirmation.index.map(confirmed_number)
    best = confirmation["validation_accuracy"].groupby(points).mean().idxmax()
    results = Results.load(folder)
    (winner,) = winners(results, leaderboard(results), folder)
    assert winner.what == "the best setting"
    assert confirmed_number(winner.model.parent.name) == best
    assert (folder / winner.model).is_file()
    assert winner.command.endswith("--seeds 3")


def test_optuna_knows_how_each_trial_ended(searched):
    folder, _ = searched
    trials = trials_of(folder)
    by_number = {trial_number(name): row for name, row in trials.iterrows()}
    expected = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED}
    for trial in optuna_trials(folder):
        row = by_number[trial.number]
        assert trial.state == expected.get(row["status"], TrialState.FAIL)
        assert trial.params["lr"] == pytest.approx(row["lr"])
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(row["validation_accuracy"])


def test_the_report_is_made_again(searched, tmp_path, capsys):
    assert report.main([str(searched[0]), "--out", str(tmp_path)]) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert re.search(r"with \d fresh seeds? It is trial \d+ of the search, which had ", printed)
    assert (tmp_path / "figures" / "confirmed.svg").is_file()


@pytest.mark.slow
def test_more_trials_continue_the_search(searched, run_search, capsys):
    folder, _ = searched
    before = trials_of(folder)
    assert run_search("--resume", folder, "--trials", 11) == 0
    after = trials_of(folder)
    numbers = sorted(number for number in after.index.map(trial_number) if number == number)
    assert numbers == list(range(11))
    assert after.loc[before.index, "attempts"].equals(before["attempts"])
    assert len(optuna_trials(folder)) == 11
    capsys.readouterr()
    assert run_search("--resume", folder) == 0
    assert "are complete" in unwrapped(capsys.readouterr().out)


@pytest.mark.slow  # 40 s; unit tests reconcile a killed search with its folder
def test_a_killed_search_loses_nothing_and_repeats_nothing(ray_address, run_search, tmp_path):
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "study.search", "--address", ray_address, *DIGITS, *SPACE]
    command += ["--set", "train_samples=none", "--set", "epochs=6", "--set", "batch_size=8"]
    command += ["--trials", "6", "--confirm", "0x0", "--max-concurrent", "2"]

    def states():
        if not (folder / "plan.json").is_file():
            return {}
        run = RunFolder(folder)
        return {p.name: run.trial(p.name).state() for p in run.plan}

    def complete():
        return [name for name, state in states().items() if state.get("status") in COMPLETE]

    with subprocess.Popen(
        [*command, "--results", str(folder)], start_new_session=True, stdout=subprocess.DEVNULL
    ) as driver:
        wait_for(complete, "a complete trial", driver)
        kill(driver, *states().values())
    before = complete()
    records_before = {name: RunFolder(folder).trial(name).records() for name in before}
    assert run_search("--resume", folder) == 0
    trials = trials_of(folder)
    # A trial that was proposed and not planned yet may be abandoned: its number is missing.
    assert len(set(trials.index.map(trial_number))) == len(trials) == 6
    assert set(trials["status"]) <= {"finished", "diverged"}
    assert set(trials.loc[before, "attempts"]) == {1}
    for name, records in records_before.items():
        assert RunFolder(folder).trial(name).records() == records
    in_optuna = [trial.state for trial in optuna_trials(folder)]
    assert in_optuna.count(TrialState.COMPLETE) == (trials["status"] == "finished").sum()
    assert set(in_optuna) <= {TrialState.COMPLETE, TrialState.FAIL}


@pytest.mark.slow
def test_two_objectives_from_the_best_of_a_grid(run_search, tmp_path):
    folder = tmp_path / "front"
    code = run_search(
        *("fan", *DIGITS, "--start-from", FAN, "--objectives", "val_accuracy,train_seconds"),
        *("--trials", "5", "--confirm", "0x0", "--time-limit", "10m", "--results", folder),
    )
    assert code == 0
    trials = trials_of(folder)
    best = pd.read_csv(FAN / "leaderboard.csv").head(5)
    point = ["optimizer", "lr", "batch_size"]
    assert trials[point].to_dict("records") == best[point].to_dict("records")
    assert (folder / "figures" / "front.png").is_file()
    assert not (folder / "figures" / "history.png").exists()


NET = (
    *(*DIGITS, "--set", "model=2lr", "--set", "dropout=0"),
    *("--set", "optimizer=sgd,adam", "--set", "lr=1e-4..0.5"),
)
"""A net that trains in fleets, with good and bad learning rates."""


def states_by_number(folder):
    return {trial.number: trial.state for trial in optuna_trials(folder)}


@pytest.mark.slow  # 40 s
def test_members_of_fleets_are_stopped_and_told_one_by_one(run_search, tmp_path):
    folder = tmp_path / "packed"
    code = run_search(
        *(*NET, "--set", "schedule=constant", "--set", "batch_size=16,32", "--set", "epochs=9"),
        *("--trials", "12", "--scheduler", "asha", "--pack", "4", "--confirm", "2x2"),
        *("--results", folder),
    )
    assert code == 0
    trials = trials_of(folder)
    of_search = trials[trials.index.map(trial_number).notna()]
    assert of_search.fleet.value_counts().to_dict() == {"fleet1": 4, "fleet2": 4, "fleet3": 4}
    assert {"finished", "stopped"} <= set(of_search.status) <= {"finished", "stopped", "diverged"}
    for _, members in of_search.groupby("fleet"):
        assert members.batch_size.nunique() == 1
    rungs = of_search[of_search.status == "stopped"].epoch
    assert set(rungs) <= {1.0, 3.0}
    expected = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED}
    states = states_by_number(folder)
    for name, row in of_search.iterrows():
        assert states[trial_number(name)] == expected.get(row.status, TrialState.FAIL)
    # Confirmations are packed as the trials of a grid are, and never stopped.
    confirmations = trials[trials.index.map(trial_number).isna()]
    assert set(confirmations.status) == {"finished"}
    assert not list(folder.glob("fleets/*.pt"))


@pytest.mark.slow  # 25 s
def test_a_point_is_judged_by_the_mean_of_its_seeds(run_search, tmp_path):
    folder = tmp_path / "seeds"
    code = run_search(
        *(*NET, "--set", "batch_size=32", "--set", "epochs=1", "--trials", "4", "--seeds", "2"),
        *("--pack", "4", "--sampler", "random", "--confirm", "1x2", "--results", folder),
    )
    assert code == 0
    trials = trials_of(folder)
    number = trials.index.map(trial_number)
    assert set(trials[number.isna()].seed) == {2, 3}  # fresh ones
    points = trials[number.notna()]
    assert set(points.fleet_size) == {4}
    means = points.groupby(number[number.notna()]).validation_accuracy.mean()
    told = {trial.number: trial.value for trial in optuna_trials(folder)}
    assert told == pytest.approx(means.to_dict())
    confirmed = pd.read_csv(folder / "tables" / "confirmed.csv")
    assert confirmed["seeds"].tolist() == [2]


@pytest.mark.slow  # 60 s
def test_a_killed_search_of_fleets_is_resumed(ray_address, run_search, tmp_path):
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "study.search", "--address", ray_address, *NET]
    command += ["--set", "epochs=300", "--set", "batch_size=16", "--trials", "6", "--seeds", "2"]
    command += ["--pack", "4", "--confirm", "0x0", "--max-concurrent", "1"]

    with subprocess.Popen(
        [*command, "--results", str(folder)], start_new_session=True, stdout=subprocess.DEVNULL
    ) as driver:
        wait_for(lambda: list(folder.glob("fleets/*.pt")), "a checkpoint of a fleet", driver)
        run = RunFolder(folder)
        kill(driver, run.trial(run.plan[0].name).state())
    before = {planned.name: planned for planned in RunFolder(folder).plan}
    assert run_search("--resume", folder) == 0
    after = {planned.name: planned for planned in RunFolder(folder).plan}
    assert {name: after[name] for name in before} == before
    assert len(after) == 12
    trials = trials_of(folder)
    assert set(trials.status) <= {"finished", "diverged"}
    in_optuna = list(states_by_number(folder).values())
    assert in_optuna.count(TrialState.COMPLETE) == 6


@pytest.mark.slow  # 40 s
def test_a_fleet_of_proposals_that_fails_goes_on_as_single_trials(run_search, tmp_path, capsys):
    folder = tmp_path / "broken"
    code = run_search(
        *(*DIGITS, "--set", "model=tests.own_models:FailsToObserve", "--set", "batch_size=64"),
        *("--set", "optimizer=sgd", "--set", "lr=0.05..0.2", "--set", "dropout=0,0.5"),
        *("--trials", "4", "--max-concurrent", "1", "--pack", "4", "--confirm", "0x0"),
        *("--sampler", "random", "--results", folder),
    )
    assert code == 1
    printed = unwrapped(capsys.readouterr().out)
    assert "fleet1 failed again (RuntimeError: made to fail): its 4 unfinished trials" in printed
    trials = trials_of(folder)
    assert len(trials) == 4
    assert trials.groupby("dropout").status.unique().map(list).to_dict() == {
        0.0: ["finished"],
        0.5: ["failed"],
    }
    states = states_by_number(folder)
    for name, row in trials.iterrows():
        expected = TrialState.COMPLETE if row.status == "finished" else TrialState.RUNNING
        assert states[trial_number(name)] == expected


def test_a_search_is_resumed_by_study_search(searched, run_grid, capsys):
    assert run_grid("--resume", str(searched[0])) == 2
    assert "python -m study.search --resume" in capsys.readouterr().err


def test_a_lost_database_is_named(searched, run_search, tmp_path, capsys):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("run.json", "plan.json"):
        (moved / name).write_bytes((searched[0] / name).read_bytes())
    assert run_search("--resume", moved, "--trials", 20) == 2
    assert "lacks optuna.db, the database of its search" in capsys.readouterr().err
