"""Trials that earlier runs have trained: which are taken over, and why others are not."""

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lenet import TrainConfig, datasets
from lenet.config import ConfigError
from lenet.records import RECORDS_VERSION
from lenet.training import Run, train
from search_spaces.study import PlannedTrial
from study.analysis.results import Results
from study.cluster.versions import versions
from study.runs import layout
from study.runs.collect import collect
from study.runs.find import find_runs
from study.runs.run_folder import RunFolder
from study.tuning.reuse import Conditions, Reuse
from tests.runs import metadata, record

HERE = Conditions("cpu", 1, versions()["torch"], RECORDS_VERSION)
DETAILS = {"device": "cpu (made up)", "threads": 1, "host": "there"}
LINE = TrainConfig(
    dataset="line",
    model="linear",
    loss="sum-of-squares",
    optimizer="sgd",
    lr=0.01,
    batch_size=4,
    validation_fraction=0,
    epochs=3,
)


def earlier_run(path: Path, configs: dict[str, TrainConfig], **fields: object) -> RunFolder:
    """Create a run whose trials were trained here, or have one made-up record."""
    plan = [PlannedTrial(name=name, config=config) for name, config in configs.items()]
    fields = {"versions": versions(), "records_version": RECORDS_VERSION, **fields}
    folder = RunFolder.create(path, metadata(**fields), plan)
    line = datasets.load("line")
    for planned in plan:
        trial = folder.trial(planned.name)
        trial.begin(DETAILS)
        is_line = planned.config.dataset == "line"
        records = list(train(Run(planned.config, line))) if is_line else [record(10)]
        trial.finish("finished", records, b"a model" if is_line else None)
    return folder


def adopted(reuse: Reuse, config: TrainConfig, path: Path) -> RunFolder:
    """Take a trial of `config` over into a new run."""
    folder = RunFolder.create(path, metadata(), [PlannedTrial(name="mine", config=config)])
    match = reuse.find(config)
    assert match is not None
    match.adopt_into(folder.trial("mine"), keep_model=True)
    return folder


@pytest.mark.parametrize("from_tables", [False, True])
def test_a_reused_trial_has_the_records_that_training_would_give(tmp_path, from_tables):
    source = earlier_run(tmp_path / "runs" / "a", {"theirs": LINE, "other": LINE.replace(lr=0.02)})
    if from_tables:  # as in docs/results, which holds no trials' folders
        collect(source)
        shutil.rmtree(source.path / layout.TRIALS)
    reuse = Reuse.load([str(tmp_path / "runs")], HERE)
    folder = adopted(reuse, LINE, tmp_path / "new")
    trial = folder.trial("mine")
    expected = list(train(Run(LINE, datasets.load("line"))))
    assert len(trial.records()) == len(expected) == 3
    assert expected[0].observed, "the weights of the line"
    assert all(a.equal_except_timing(b) for a, b in zip(trial.records(), expected, strict=True))
    assert trial.complete
    assert trial.state()["reused"] == str(source.path)
    assert trial.state()["device"] == "cpu (made up)"
    assert trial.has_model() is not from_tables
    collect(folder)
    rows = (folder.path / "trials.csv").read_text().splitlines()
    assert str(source.path) in rows[1]


@pytest.mark.parametrize("from_tables", [False, True])
def test_a_trial_of_a_fleet_keeps_the_columns_that_say_so(tmp_path, from_tables):
    source = earlier_run(tmp_path / "a", {"theirs": LINE, "alone": LINE.replace(seed=1)})
    in_fleet = {"fleet": "fleet3", "fleet_size": 12}
    source.trial("theirs").finish("finished", source.trial("theirs").records(), details=in_fleet)
    if from_tables:
        collect(source)
        shutil.rmtree(source.path / layout.TRIALS)
    reuse = Reuse.load([str(source.path)], HERE)
    for config, expected in ((LINE, ("fleet3", 12)), (LINE.replace(seed=1), ("", 1))):
        folder = adopted(reuse, config, tmp_path / f"new{config.seed}")
        collect(folder)
        (row,) = Results.load(folder.path).trials.to_dict("records")
        assert (row["fleet"], row["fleet_size"]) == expected
        assert row["reused"] == str(source.path)


def thinned_run(place, **columns):
    """Return a run of LINE with seeds 0 and 1 as its tables alone, with `columns` for seed 0."""
    source = earlier_run(place, {"theirs": LINE, "other": LINE.replace(seed=1)})
    collect(source)
    shutil.rmtree(source.path / layout.TRIALS)
    table = source.path / layout.TRIALS_TABLE
    added = {f"unthinned_{name}": [value, None] for name, value in columns.items()}
    pd.read_parquet(table).assign(**added).to_parquet(table)
    return source


def test_a_thinned_trial_keeps_what_was_measured_over_all_its_records(tmp_path):
    source = thinned_run(tmp_path / "a", records=400, mean_train_loss=5.5)
    reuse = Reuse.load([str(source.path)], HERE)
    folder = adopted(reuse, LINE, tmp_path / "new")
    collect(folder)
    (row,) = Results.load(folder.path).trials.to_dict("records")
    assert (row["unthinned_records"], row["unthinned_mean_train_loss"]) == (400, 5.5)
    whole = earlier_run(tmp_path / "z", {"whole": LINE})
    both = Reuse.load([str(source.path), str(whole.path)], HERE)
    match = both.find(LINE)
    assert match is not None
    assert match.run == str(whole.path)
    other = adopted(reuse, LINE.replace(seed=1), tmp_path / "other")
    assert not [name for name in other.trial("mine").state() if name.startswith("unthinned")]


def test_a_trial_whose_evaluations_were_merged_is_not_reused(tmp_path):
    source = thinned_run(tmp_path / "a", records=400, evaluations=20)
    reuse = Reuse.load([str(source.path)], HERE)
    assert reuse.find(LINE) is None
    assert reuse.find(LINE.replace(seed=1)) is not None
    reason = "1 equal config was trained in runs whose evaluations were merged"
    assert reuse.near_misses([LINE, LINE.replace(seed=1)]) == [reason]


def test_a_trial_reused_twice_names_the_run_that_trained_it(tmp_path):
    source = earlier_run(tmp_path / "a", {"theirs": LINE})
    adopted(Reuse.load([str(source.path)], HERE), LINE, tmp_path / "b")
    run = tmp_path / "b" / layout.METADATA
    now = {"versions": versions(), "records_version": RECORDS_VERSION}
    changed = json.loads(run.read_text()) | now
    run.write_text(json.dumps(changed))
    last = adopted(Reuse.load([str(tmp_path / "b")], HERE), LINE, tmp_path / "c")
    assert last.trial("mine").state()["reused"] == str(source.path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"torch": "1.0"}, f"1 equal config was trained under torch {versions()['torch']}"),
        ({"device": "NVIDIA H100"}, "1 equal config was trained on cpu"),
        ({"threads": 2}, "1 equal config was trained with 1 thread"),
        ({"records_version": 99}, "1 equal config was trained by code with records version 2"),
    ],
)
def test_other_conditions_are_not_reused_and_named(tmp_path, change, reason):
    earlier_run(tmp_path / "a", {"theirs": TrainConfig()})
    reuse = Reuse.load([str(tmp_path / "a")], dataclasses.replace(HERE, **change))
    assert reuse.find(TrainConfig()) is None
    assert reuse.near_misses([TrainConfig(), TrainConfig(seed=1)]) == [reason]


def test_what_is_not_complete_is_not_reused(tmp_path):
    configs = [TrainConfig(seed=seed) for seed in range(4)]
    source = earlier_run(tmp_path / "a", {f"{c.seed}": c for c in configs})
    source.trial("0").mark("stopped")
    source.trial("1").mark("failed", "it crashed")
    for name in source.trial("2").home.path.glob("records*"):
        name.write_text("cut sho")
    reuse = Reuse.load([str(source.path)], HERE)
    assert [reuse.find(config) is not None for config in configs] == [False, False, False, True]
    expected = "1 equal config was trained in runs whose records are damaged"
    assert reuse.near_misses(configs) == [expected]


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "tests.own_models:Linear"},
        {"optimizer": "tests.own_parts:Mine"},
        {"metrics": ["f1:max=tests.own_parts:f1"]},
    ],
)
def test_own_code_is_not_reused(settings, tmp_path):
    config = TrainConfig.from_dict(settings)
    earlier_run(tmp_path / "a", {"theirs": config})
    reuse = Reuse.load([str(tmp_path / "a")], HERE)
    assert reuse.find(config) is None
    assert "code of your own" in reuse.near_misses([config])[0]


def test_a_run_that_cannot_be_read_is_named(tmp_path):
    earlier_run(tmp_path / "good", {"theirs": TrainConfig()})
    earlier_run(tmp_path / "bad", {"theirs": TrainConfig()})
    (tmp_path / "bad" / layout.METADATA).write_text("{")
    reuse = Reuse.load([str(tmp_path), str(tmp_path / "gone")], HERE)
    assert reuse.find(TrainConfig()) is not None
    assert len(reuse.problems) == 2
    with pytest.raises(ConfigError, match="holds no run: give the folder of a run"):
        find_runs(tmp_path / "gone")


def test_runs_from_before_there_were_versions_are_not_reused(tmp_path):
    """The evaluation has since changed the order of its sums, and so the last digits of losses."""
    source = earlier_run(tmp_path / "a", {"theirs": TrainConfig()})
    run = source.path / layout.METADATA
    run.write_text(
        json.dumps({k: v for k, v in json.loads(run.read_text()).items() if k != "records_version"})
    )
    assert Reuse.load([str(source.path)], HERE).find(TrainConfig()) is None


def test_the_committed_results_can_be_read():
    results = Path(__file__).parents[2] / "docs" / "results"
    reuse = Reuse.load([str(results)], HERE)
    assert not reuse.problems
    assert len(reuse.trials) >= 72
