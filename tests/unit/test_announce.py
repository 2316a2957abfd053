"""What a training command prints before a run."""

import io

import pytest
import torch
from rich.console import Console

from lenet.datasets import Dataset
from lenet.samples import Samples
from search_spaces.fan import FAN
from study.cluster import announce


@pytest.mark.parametrize(
    ("budget", "choices", "line"),
    [
        ("quick", {}, "  epochs       36 on digits: about as many steps as on mnist\n"),
        ("quick", {"epochs": ["3"]}, ""),
        (
            "quick",
            {"steps": ["500"], "train_samples": ["none"]},
            "  steps        5 epochs on digits end first: to train all steps, add\n"
            "               --set epochs=none\n",
        ),
        ("quick", {"steps": ["9"], "train_samples": ["none"]}, ""),
        ("quick", {"steps": ["500"], "epochs": ["3"]}, ""),
        ("smoke", {}, ""),
    ],
)
def test_longer_training_on_a_smaller_data_set_is_said(budget, choices, line, digits):
    configs = [p.config for p in FAN.with_choices(choices).plan(budget, 1, "digits")]
    output = io.StringIO()
    console = Console(file=output, width=80)
    announce.epochs("fan", choices, configs, {"digits": digits}, console)
    assert output.getvalue() == line


def announced(labels):
    targets = torch.tensor(labels)
    samples = Samples(torch.zeros(len(labels), 2), targets)
    outputs = int(targets.max()) + 1 if samples.classifies else 1
    own = Dataset("mine:load", "mine.py", samples, samples, outputs)
    output = io.StringIO()
    announce.datasets({own.name: own}, Console(file=output, width=80))
    return output.getvalue().splitlines()[1:]


def test_classes_of_own_data_are_counted_and_those_without_a_sample_named():
    assert announced([0, 1, 2]) == ["  classes      3"]
    assert announced([0, 3, 7, 7]) == [
        "  classes      8; no training sample has classes 1, 2, 4, 5, 6"
    ]
    assert announced([0, 9]) == [
        "  classes      10; no training sample has classes 1, 2, 3, 4, 5, ..."
    ]
    assert announced([0, 2]) == ["  classes      3; no training sample has class 1"]
    assert announced([[0.5], [1.5]]) == []  # a regression
