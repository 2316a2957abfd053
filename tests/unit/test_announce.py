"""What a training command prints before a run."""

import io

import pytest
from rich.console import Console

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
