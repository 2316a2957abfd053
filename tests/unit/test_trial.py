"""A trial as a worker of Ray Tune runs it, without Ray."""

import platform

import pytest
import torch

from lenet import TrainConfig
from study.cluster.datasets import share
from study.runs.storage import OutOfReach
from study.runs.trial_folder import TrialFolder
from study.tuning.trial import Trial

CONFIG = TrainConfig(dataset="digits", train_samples=128, batch_size=32, epochs=2)


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
            **{"use_gpu": False, "seconds_between_reports": 0.0, **more},
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
