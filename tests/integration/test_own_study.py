"""The user's own study, data, model, loss, optimizer and metric, by every command on a real Ray."""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

import search_spaces
from lenet import datasets, training
from study import grid, lr_range, search
from study.report import __main__ as report
from study.runs.run_folder import RunFolder
from study.scaling import __main__ as scaling
from tests.comparison import same
from tests.own_study import DATA, HALVES, PARTS, TOKENS, VECTORS
from tests.terminal import unwrapped

ROOT = Path(__file__).parents[2]
STUDY = "tests.own_study:STUDY"
EXAMPLES = ("breast_cancer", "diabetes", "color_shapes")


@pytest.fixture
def from_elsewhere(tmp_path, monkeypatch):
    """Copies a file of a study to a folder that nothing imports from, and returns its path."""
    monkeypatch.setenv("PYTHONPATH", "")

    def copy(name):
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.delitem(sys.modules, name, raising=False)
        return Path(shutil.copy(ROOT / "examples" / f"{name}.py", folder))

    yield copy
    for name in EXAMPLES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def own_grid(run_grid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "own"
    return folder, run_grid(STUDY, "--budget", "smoke", "--results", str(folder))


def test_every_kind_of_data_learns_by_grid(own_grid):
    folder, code = own_grid
    assert code == 0
    run = RunFolder(folder)
    assert {planned.config.dataset for planned in run.plan} == set(DATA)
    for planned in run.plan:
        records = run.trial(planned.name).records()
        assert records[-1].train_loss < 0.9 * records[0].train_loss
        assert set(records[-1].metrics) == {"validation_spread", "test_spread"}
        alone = training.Run(planned.config, datasets.load(planned.config.dataset))
        pairs = zip(records, training.train(alone), strict=True)
        assert all(one.equal_except_timing(other) for one, other in pairs)


def test_a_metric_is_in_tables_figures_and_claims(own_grid):
    folder, _ = own_grid
    trials = pd.read_parquet(folder / "trials.parquet")
    board = pd.read_csv(folder / "leaderboard.csv")
    assert {"validation_spread", "test_spread"} <= {*board, *trials}
    assert trials.set_index("dataset")["model.size"].dropna().to_dict() == {TOKENS: 4}
    assert len(pd.read_csv(folder / "tables" / "spread.csv")) == len(DATA)
    assert (folder / "figures" / "spread.png").is_file()
    assert list(pd.read_csv(folder / "claims.csv")["claim"]) == ["tokens-spread"]


def test_a_run_is_reported_where_its_study_is_not(own_grid, tmp_path, monkeypatch, capsys):
    """The report is by the kept definition; to train on, the user's file is needed."""
    folder, _ = own_grid
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    document = json.loads((moved / "run.json").read_text())
    document["study"] = "/nowhere/gone.py:STUDY"
    (moved / "run.json").write_text(json.dumps(document))
    (moved / "tables" / "spread.csv").unlink()
    assert report.main([str(moved)]) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert "own-data: Does every kind of data learn?" in printed
    assert "Your study is not here (/nowhere/gone.py is not a file" in printed
    assert (moved / "tables" / "spread.csv").is_file()
    assert grid.main(["--resume", str(moved)]) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert "All 4 trials" in printed
    assert "Your study is not here" in printed
    name = next(iter(json.loads((moved / "plan.json").read_text())))
    (moved / "trials" / name / "trial.json").unlink()
    plan = json.loads((moved / "plan.json").read_text())
    plan[name]["dataset"] = "/nowhere/gone.py:load"
    (moved / "plan.json").write_text(json.dumps(plan))
    assert grid.main(["--resume", str(moved)]) == 2
    assert "/nowhere/gone.py is not a file" in unwrapped(capsys.readouterr().err)


def test_an_example_runs_from_its_file(run_grid, from_elsewhere, tmp_path):
    """Its workers import it from its own folder, which nothing else has told them."""
    file = from_elsewhere("diabetes")
    results = str(tmp_path / "run")
    assert run_grid(str(file), "--budget", "smoke", "--set", "lr=0.03", "--results", results) == 0
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv")
    assert (board["validation_r2"] > 0).all()
    assert (board["test_r2"] > 0).all()
    assert (tmp_path / "run" / "figures" / "r2-by-epoch.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_by_grid_and_search(name, run_grid, ray_address, from_elsewhere, tmp_path):
    file = str(from_elsewhere(name))
    declared = {figure.name for figure in search_spaces.find(file).figures}
    assert run_grid(file, "--results", str(tmp_path / "grid")) == 0
    figures = {path.stem for path in (tmp_path / "grid" / "figures").glob("*.png")}
    assert declared <= figures
    typed = [file, "--address", ray_address, "--max-concurrent", "2", "--trials", "3"]
    typed += ["--confirm", "0x0", "--budget", "smoke", "--results", str(tmp_path / "search")]
    assert search.main(typed) == 0
    trials = pd.read_parquet(tmp_path / "search" / "trials.parquet")
    assert set(trials["status"]) == {"finished"}


def falls(folder):
    """Return how far each trial's training loss falls: its last value by its first."""
    losses = pd.read_parquet(folder / "records.parquet").sort_values("step")
    by_trial = losses.groupby("trial")["train_loss"]
    return by_trial.last() / by_trial.first()


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATA)
def test_every_kind_of_data_by_the_other_commands(dataset, ray_address, tmp_path):
    only = ["--budget", "smoke", "--set", f"dataset={dataset}"]
    on = ["--address", ray_address]
    typed = [STUDY, *on, "--max-concurrent", "2", "--trials", "3", "--confirm", "0x0"]
    space = ["--set", "lr=0.05..0.2", "--set", "optimizer.k=1..8"]
    assert search.main([*typed, *only, *space, "--results", str(tmp_path / "search")]) == 0
    trials = pd.read_parquet(tmp_path / "search" / "trials.parquet")
    assert trials["validation_spread"].notna().all()
    assert trials["optimizer.k"].between(1, 8).all()
    assert falls(tmp_path / "search").min() < 0.9

    typed = [STUDY, *on, "--workers", "1,2", "--device", "cpu"]
    assert scaling.main([*typed, *only, "--results", str(tmp_path / "scaling")]) == 0
    trials = pd.read_parquet(tmp_path / "scaling" / "trials.parquet")
    assert set(trials["workers"]) == {1, 2}
    assert trials["test_loss"].max() == pytest.approx(trials["test_loss"].min(), rel=1e-3)
    assert trials["test_spread"].max() == pytest.approx(trials["test_spread"].min(), rel=1e-3)
    assert falls(tmp_path / "scaling").max() < 0.9

    typed = [STUDY, *on, "--max-concurrent", "2", "--seeds", "1", *only, "--verify"]
    assert lr_range.main([*typed, "--results", str(tmp_path / "ramp")]) == 0
    check_range_test(tmp_path / "ramp", {f"{PARTS}:Signs"})
    trials = pd.read_parquet(tmp_path / "ramp" / "trials.parquet").set_index("trial")
    constant = trials.index[trials["schedule"] == "constant"]
    assert len(constant) >= 3
    assert set(trials["epochs"][constant]) == {4}
    assert falls(tmp_path / "ramp")[constant].min() < 0.9


def check_range_test(folder, optimizers):
    """Check that the loss of each ramp falls, and that rules suggest learning rates."""
    trials = pd.read_parquet(folder / "trials.parquet")
    ramps = trials[trials["schedule"] == "ramp-exponential"]
    assert set(ramps["optimizer"]) == optimizers
    records = pd.read_parquet(folder / "records.parquet")
    for name in ramps["trial"]:
        losses = records[records["trial"] == name].sort_values("step")["train_loss"]
        assert losses.min() < 0.8 * losses.iloc[:5].mean()
    suggestions = pd.read_csv(folder / "tables" / "suggestions.csv")
    suggested = suggestions[~suggestions["suggested LR"].isin(["no true minimum", "no answer"])]
    assert len(suggested) >= 2 * len(optimizers)  # of seven rules for each


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATA)
def test_every_kind_of_data_in_fleets(dataset, run_grid, ray_address, tmp_path, capsys):
    alone = {
        VECTORS: f"dataset={VECTORS} has targets of several dimensions",
        HALVES: f"dataset={HALVES} is not in memory: each run reads its own",
    }
    only = [STUDY, "--budget", "smoke", "--set", f"dataset={dataset}", "--pack", "2"]
    # Four trials, so that each of two processors has a fleet of two.
    only += ["--set", "optimizer=adam,adamw", "--set", "clip_norm=none"]
    grid_folder, ramp_folder = tmp_path / "grid", tmp_path / "ramp"
    assert run_grid(*only, "--set", "lr=0.02,0.05", "--results", str(grid_folder)) == 0
    printed = unwrapped(capsys.readouterr().out)
    run = RunFolder(grid_folder)
    for planned in run.plan:
        one = training.Run(planned.config, datasets.load(planned.config.dataset))
        assert same(run.trial(planned.name).records(), list(training.train(one)), rel=1e-3)
    assert falls(grid_folder).max() < 0.9

    typed = ["--address", ray_address, "--max-concurrent", "2", "--seeds", "2", *only]
    assert lr_range.main([*typed, "--results", str(ramp_folder)]) == 0
    check_range_test(ramp_folder, {"adam", "adamw"})
    for folder in (grid_folder, ramp_folder):
        sizes = pd.read_parquet(folder / "trials.parquet")["fleet_size"]
        assert set(sizes) == ({1} if dataset in alone else {2})
    assert alone.get(dataset, "2 fleets of 2") in printed
