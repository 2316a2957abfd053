"""`docs/add_run.py`: which seeds of an interrupted run are committed."""

import runpy
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lenet.config import ConfigError
from search_spaces.fan import FAN
from study.runs.collect import collect
from study.runs.run_folder import RunFolder
from tests.runs import metadata, record

of_ended_seeds = runpy.run_path("docs/add_run.py")["of_ended_seeds"]
STUDY = FAN.with_choices({"lr": ["0.1", "0.01"], "optimizer": ["sgd"], "batch_size": ["32"]})


@pytest.fixture
def run(tmp_path):
    """A run of two points and three seeds that was interrupted in the last seed."""
    folder = RunFolder.create(tmp_path / "fan", metadata(seeds=3), STUDY.plan("smoke", 3))
    for planned in folder.plan[:5]:
        trial = folder.trial(planned.name)
        trial.begin({"settings": planned.config.to_dict()})
        trial.finish("finished", [record(10)])
    return folder


def statuses(run):
    trials = pd.read_parquet(run / "trials.parquet")
    return trials.groupby("seed")["status"].unique().map(list).to_dict()


def test_the_seed_that_was_interrupted_is_left_out(run, tmp_path):
    copy = of_ended_seeds(run.path, tmp_path / "copies")
    assert copy == tmp_path / "copies" / "fan"
    assert statuses(copy) == {0: ["finished"], 1: ["finished"], 2: ["unfinished"]}
    assert (copy / "claims.csv").is_file()
    assert not (run.path / "claims.csv").exists()


def test_a_seed_with_a_failed_trial_has_ended(run, tmp_path):
    """To leave out a seed because of how it ended would favor some outcomes."""
    run.trial(run.plan[1].name).mark("failed", "out of memory")
    copy = of_ended_seeds(run.path, tmp_path / "copies")
    assert statuses(copy)[0] == ["finished", "failed"]


def test_a_run_that_has_ended_is_copied_as_it_is(run, tmp_path):
    trial = run.trial(run.plan[5].name)
    trial.begin({})
    trial.mark("failed")
    assert of_ended_seeds(run.path, tmp_path / "copies") == run.path


def test_a_trial_with_damaged_records_has_not_ended(run, tmp_path):
    (run.path / "trials" / run.plan[0].name / "records.jsonl").write_text("{")
    assert statuses(of_ended_seeds(run.path, tmp_path / "copies"))[0] == ["unfinished"]


def test_a_run_that_was_moved_without_its_trials_must_have_ended(run, tmp_path):
    collect(run)
    trials = shutil.move(run.path / "trials", tmp_path / "trials")
    with pytest.raises(ConfigError, match="unfinished trials, but not their folders"):
        of_ended_seeds(run.path, tmp_path / "copies")
    shutil.move(trials, run.path / "trials")
    run.trial(run.plan[5].name).begin({})
    run.trial(run.plan[5].name).mark("failed")
    collect(run)
    shutil.rmtree(run.path / "trials")
    assert of_ended_seeds(run.path, tmp_path / "copies") == run.path


def test_the_copy_of_a_run_in_a_bucket_is_refused(run, tmp_path):
    collect(run)
    (run.path / "storage.url").write_text("s3://somewhere/fan")
    with pytest.raises(ConfigError, match="not their folders: name the whole run"):
        of_ended_seeds(run.path, tmp_path / "copies")


def test_a_run_without_a_complete_seed_is_refused(run, tmp_path):
    for planned in run.plan[::2]:
        shutil.rmtree(run.path / "trials" / planned.name)
    with pytest.raises(ConfigError, match=r"no seed of .* has ended: train it further"):
        of_ended_seeds(Path(run.path), tmp_path / "copies")
