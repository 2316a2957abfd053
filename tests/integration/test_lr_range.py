"""`python -m study.lr_range` on a real Ray: ramps, suggestions, and their verification."""

import pandas as pd
import pytest

from study import lr_range
from tests import hparams_tab
from tests.terminal import unwrapped

DIGITS = ("--budget", "smoke", "--set", "dataset=digits")
ONE = ("--seeds", "2", "--set", "optimizer=adam", "--set", "train_samples=none")


@pytest.fixture(scope="module")
def run_lr_range(ray_address):
    # Two workers: each takes seconds of a core to import torch.
    two = ["--address", ray_address, "--max-concurrent", "2"]
    return lambda *arguments: lr_range.main([*two, *map(str, arguments)])


@pytest.fixture(scope="module")
def verified(run_lr_range, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "verified"
    code = run_lr_range(*DIGITS, *ONE, "--verify", "--results", folder)
    return folder, code


def test_from_ramps_to_regret(verified):
    folder, code = verified
    assert code == 0
    trials = pd.read_parquet(folder / "trials.parquet")
    assert set(trials["schedule"]) == {"ramp-exponential", "constant"}
    suggestions = pd.read_csv(folder / "tables" / "suggestions.csv")
    assert len(suggestions) == 7
    found = suggestions[~suggestions["suggested LR"].isin(["no true minimum", "no answer"])]
    assert len(found) >= 3
    (recommended,) = pd.read_csv(folder / "tables" / "recommendation.csv").to_dict("records")
    constant = trials[trials["schedule"] == "constant"]
    assert recommended["use"] in set(constant["lr"])
    assert recommended["reason"].startswith("Best of ")
    regret = pd.read_csv(folder / "tables" / "regret.csv")
    assert regret["rule"].iloc[-1] == "best learning rate found"
    assert not regret["adam"].str.contains("not trained").any()
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    assert figures >= {
        "range-test-exponential",
        "verification-exponential",
        "verification-curves",
        "final-values",
    }
    hparams_tab.check_shows_all_trials(folder)


def test_a_ramp_goes_on_to_its_last_learning_rate(verified):
    folder, _ = verified
    trials = pd.read_parquet(folder / "trials.parquet")
    ramps = trials[trials["schedule"] == "ramp-exponential"]
    records = pd.read_parquet(folder / "records.parquet").merge(ramps[["trial"]], on="trial")
    last = records.sort_values("step").groupby("trial").last()
    assert (last["diverged"] | (last["lr"] == 10.0)).all()
    assert (
        records.groupby("trial")["step"].apply(lambda step: (step.diff().dropna() == 1).all()).all()
    )


@pytest.mark.slow
def test_the_trials_of_an_earlier_run_are_adopted(verified, run_lr_range, tmp_path):
    first, _ = verified
    folder = tmp_path / "second"
    code = run_lr_range(*DIGITS, *ONE, "--verify", "--grid", first, "--results", folder)
    assert code == 0
    constant = [
        pd.read_parquet(place / "trials.parquet").query("schedule == 'constant'").set_index("trial")
        for place in (first, folder)
    ]
    # The same suggestions need the same trials. None is trained twice.
    assert constant[1]["started"].to_dict() == constant[0]["started"].to_dict()
    assert (
        constant[1]["validation_accuracy"].to_dict() == constant[0]["validation_accuracy"].to_dict()
    )
    hparams_tab.check_shows_all_trials(folder)


def test_a_finished_run_has_nothing_to_resume(verified, run_lr_range, capsys):
    assert run_lr_range("--resume", verified[0]) == 0
    assert "are complete" in unwrapped(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ramps", "exponentail"], "did you mean 'exponential'"),
        (["--verify-epochs", "3"], "--verify-epochs belongs to the verification: add --verify"),
        (["--ramps", ""], "unknown ramp"),
        (["--set", "schedule=constant"], "choose them with --ramps"),
        (["--set", "blow_up=0.5"], "above 1"),
        (["--set", "lr=100"], "set lr below final_lr"),
        (["--set", "final_lr=1e-9"], "set lr below final_lr"),
        (["--resume", "nowhere"], "is not a run"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys):
    assert lr_range.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_grid_with_other_settings_is_refused(verified, run_lr_range, capsys):
    assert run_lr_range(*DIGITS, "--verify", "--verify-epochs", 7, "--grid", verified[0]) == 2
    assert "matches the verification, which needs epochs=7" in capsys.readouterr().err
