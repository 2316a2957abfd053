"""A trial as a worker of Ray Tune runs it, without Ray."""

import dataclasses
import math
import platform

import pytest
import torch

import search_spaces
from lenet import TrainConfig
from lenet.records import Record
from lenet.trained import load
from search_spaces.objective import know_directions, worst_value
from search_spaces.study import Metric, PlannedTrial
from study.cluster.datasets import share
from study.runs.metadata import DatasetInfo, RunMetadata
from study.runs.run_folder import RunFolder
from study.runs.storage import OutOfReach
from study.runs.trial_folder import TrialFolder
from study.tuning.kept_models import KeepBestModel
from study.tuning.trial import Trial, comparable

CONFIG = TrainConfig(dataset="digits", train_samples=128, batch_size=32, epochs=2)
METADATA = RunMetadata(study="fan", budget="smoke", dataset=DatasetInfo("digits"), device="cpu")


@pytest.fixture
def worker(tmp_path, digits):
    (tmp_path / "run.json").write_text("{}")

    def begin(**more):
        trial = Trial.__new__(Trial)
        trial.setup(
            {"trial": {"name": "one", "settings": CONFIG.to_dict()}},
            datasets={"digits": share(digits)},
            run_folder=str(tmp_path),
            threads=1,
            objectives=("validation_accuracy",),
            **{"use_gpu": False, "seconds_between_reports": 0.0, "keep_models": "all", **more},
        )
        return trial

    return begin


def test_a_complete_trial_whose_worker_died_is_not_trained_again(worker, tmp_path):
    first = worker()
    assert [first.step()["done"], first.step()["done"]] == [False, True]
    trained = TrialFolder(tmp_path / "trials" / "one").records()
    again = worker().step()
    assert again["done"]
    assert again["step"] == trained[-1].step
    assert again["validation_accuracy"] == trained[-1].validation_accuracy
    folder = TrialFolder(tmp_path / "trials" / "one")
    assert (folder.state()["attempts"], folder.records()) == (1, trained)
    _, config = load(tmp_path / "trials" / "one" / "model.pt")
    assert config == CONFIG


class Ended:
    """A trial of Tune that has ended."""

    def __init__(self, name, accuracy, batch_size=32, **result):
        self.name = name
        settings = dataclasses.replace(CONFIG, batch_size=batch_size).to_dict()
        self.config = {"trial": {"settings": settings}}
        self.last_result = {"validation_accuracy": accuracy, "ended_by_itself": True, **result}
        self.last_result.setdefault("diverged", False)

    def __str__(self):
        return self.name


def test_the_model_of_the_best_trial_is_kept(tmp_path):
    names = ["d", "b", "a", "c", "e", "confirm0001_seed1", "confirm0002_seed1"]
    batch_sizes = dict(zip(names, (64, 64, 32, 128, 16, 64, 64), strict=True))
    plan = [
        PlannedTrial(name=name, config=dataclasses.replace(CONFIG, batch_size=batch_sizes[name]))
        for name in names
    ]
    folder = RunFolder.create(tmp_path / "run", METADATA, plan)

    def kept():
        return [name for name in sorted(names) if folder.trial(name).has_model()]

    def train(name, accuracy):
        trial = folder.trial(name)
        trial.begin({})
        trial.finish("finished", [record(accuracy)], b"weights")
        return Ended(name, accuracy, batch_sizes[name])

    keeper = KeepBestModel(folder, "validation_accuracy")
    keeper.on_trial_complete(0, [], train("d", 0.5))
    assert kept() == ["d"]
    keeper.on_trial_complete(0, [], train("b", 0.7))
    assert kept() == ["b"]
    # A resumed run knows the best trial so far; of equal trials, the smaller batch stays.
    keeper = KeepBestModel(folder, "validation_accuracy")
    keeper.on_trial_complete(0, [], train("c", 0.7))
    assert kept() == ["b"]
    keeper.on_trial_complete(0, [], train("a", 0.7))
    assert kept() == ["a"]
    keeper.on_trial_complete(0, [], Ended("e", 1.0, diverged=True))
    assert kept() == ["a"]
    # Settings that a search confirms do not compete with each other, nor with its lucky best.
    for name in names[-2:]:
        keeper.on_trial_complete(0, [], train(name, 0.6))
    assert kept() == ["a", *names[-2:]]


def record(accuracy):
    values = {field.name: 0 for field in dataclasses.fields(Record)}
    values |= {"validation_accuracy": accuracy, "diverged": False, "observed": {}, "metrics": {}}
    return Record(**values)


def test_a_diverged_trial_reports_the_same_worst_with_and_without_the_range_of_its_metric():
    """A worker knows a metric's direction, a driver its range, too."""
    know_directions(["hits:max=tests.own_parts:spread"])
    last = dataclasses.replace(record(0.5), diverged=True, metrics={"validation_hits": 0.4})
    assert comparable([last], "validation_hits") == -math.inf
    metric = Metric(name="hits", function="tests.own_parts:spread", maximize=True, low=0.0)
    dataclasses.replace(
        search_spaces.find("tests.own_study:STUDY"),
        metrics=(metric,),
        objective="validation_hits",
    )
    assert worst_value("validation_hits", is_maximized=True) == 0
    assert comparable([last], "validation_hits") == -math.inf


def test_a_worker_that_lost_its_trial_to_another_attempt_ends(worker, tmp_path):
    cut_off, another = worker(), worker()
    cut_off.step()
    while not another.step()["done"]:
        pass
    with pytest.raises(OutOfReach, match="attempt 2 has begun"):
        cut_off.step()
    assert TrialFolder(tmp_path / "trials" / "one").state()["status"] == "finished"


def test_a_granted_gpu_that_torch_does_not_see_is_reported(worker, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert worker(use_gpu=True).step()["lacks_gpu"] == platform.node()
    assert worker().step()["lacks_gpu"] == ""
