"""Trials are read from event files alone, whoever wrote them."""

import math

import pandas as pd
import pytest
from torch.utils.tensorboard import SummaryWriter

from lenet.config import SETTINGS
from lenet.records import Record
from study.figures import style
from study.report.__main__ import main
from study.runs.event_file import TAGS
from study.runs.event_reader import parse_tags, read_event_files
from study.runs.event_settings import from_folder, from_hyperparameters
from study.runs.trial_folder import TrialFolder
from tests.unit import made_up_run

FAN = parse_tags("fan")
FIGURES = [
    f"figure-{n}-{optimizer}-{quantity}"
    for n, (optimizer, quantity) in enumerate(
        [("sgd", "accuracy"), ("sgd", "loss"), ("adam", "accuracy"), ("adam", "loss")], start=1
    )
]


def write_fan(logdir, name, *, steps=5, tags=FAN, scale=1.0, new_style=False, **hyperparameters):
    """Log a trial as the program in Fan's appendix reads it, with torch's own writer."""
    with SummaryWriter(str(logdir / name)) as writer:
        for step in range(1, steps + 1):
            for quantity, tag in tags.items():
                value = scale * (1 - 0.5**step) if "accuracy" in quantity else 0.5**step
                writer.add_scalar(tag, value, step, new_style=new_style)
        if hyperparameters:
            writer.add_hparams(hyperparameters, {"hparam/accuracy": 0.9})


@pytest.fixture(scope="module")
def fan_grid(tmp_path_factory):
    """Fan's grid, logged with torch's writer under his tags into folders named by the settings."""
    logdir = tmp_path_factory.mktemp("runs")
    for optimizer in ("sgd", "adam"):
        for lr in (0.1, 0.01, 0.001):
            for batch in (32, 256):
                write_fan(logdir, f"{optimizer}_lr{lr}_batch{batch}")
    return logdir


def drawn(folder):
    return sorted(path.stem for path in (folder / "figures").iterdir())


def test_our_own_event_files_give_the_tables_that_they_were_written_from(tmp_path):
    results = made_up_run.made_up_run(seeds=2, status={"sgd_lr0.1_batch32": "diverged"})
    for trial in results.trials.to_dict("records"):
        curve = results.records[results.records["trial"] == trial["trial"]].drop(columns="trial")
        folder = TrialFolder(tmp_path / "trials" / trial["trial"])
        folder.begin({"settings": {name: trial[name] for name in SETTINGS}})
        folder.finish(trial["status"], [Record(**row) for row in curve.to_dict("records")])
    read = read_event_files(tmp_path, TAGS)
    names = "trials/" + results.trials["trial"]
    assert sorted(read.trials["trial"]) == sorted(names)
    expected = results.trials.assign(trial=names).set_index("trial").loc[read.trials["trial"]]
    trials = read.trials.set_index("trial")
    recording = {"record_every", "evaluate_at", "test_at_end", "test_curve"}
    columns = ["status", *(n for n in SETTINGS if n not in recording), "step", "train_accuracy"]
    pd.testing.assert_frame_equal(trials[columns], expected[columns], check_dtype=False)
    tagged = ["step", *TAGS, "diverged"]
    for trial, records in read.records.groupby("trial"):
        curve = results.records[results.records["trial"] == trial.removeprefix("trials/")]
        pd.testing.assert_frame_equal(
            records[tagged].reset_index(drop=True),
            curve[tagged].reset_index(drop=True),
            check_dtype=False,
            rtol=1e-6,
        )
    assert read.notes == []


def test_figures_1_to_4_of_anybodys_files(fan_grid, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(style, "_ENDINGS", {".svg": {"Date": None}})  # other formats take seconds
    assert main(["--from-tensorboard", str(fan_grid), "--tags", "fan", "--out", str(tmp_path)]) == 0
    assert drawn(tmp_path) == sorted([*FIGURES, "curves-by-setting", "final-values", "heat-map"])
    printed = capsys.readouterr().out
    assert "data set not recorded" in " ".join(printed.split())
    svg = (tmp_path / "figures" / "figure-1-sgd-accuracy.svg").read_text(encoding="utf-8")
    assert "<!-- step -->" in svg  # nobody has counted epochs
    assert "<!-- epoch -->" not in svg


def test_a_folder_name_and_hyperparameters_tell_the_settings(tmp_path):
    write_fan(tmp_path, "optimizer=sgd,lr=0.1")
    write_fan(tmp_path, "run1/adam", learning_rate=0.01, bs=64, hidden=3)
    read = read_event_files(tmp_path, FAN)
    by_folder, by_hyperparameters = (row.dropna().to_dict() for _, row in read.trials.iterrows())
    assert (by_folder["optimizer"], by_folder["lr"]) == ("sgd", 0.1)
    assert "batch_size" not in by_folder
    settings = [by_hyperparameters[name] for name in ("optimizer", "lr", "batch_size")]
    assert settings == ["adam", 0.01, 64]
    assert len(read.trials) == 2  # torch's folder of hyperparameters is no trial
    assert read.notes == ["Hyperparameters that are no settings here: hidden."]


def test_repeats_percent_tensors_and_divergence(tmp_path):
    write_fan(tmp_path, "first/sgd_lr0.1", scale=100)
    write_fan(tmp_path, "second/sgd_lr0.1", scale=100, new_style=True)
    with SummaryWriter(str(tmp_path / "sgd_lr1")) as writer:
        writer.add_scalar("train-loss", 2.3, 1)
        writer.add_scalar("train-loss", math.nan, 2)
        writer.add_scalar("val_accu", 10.0, 3)
    read = read_event_files(tmp_path, FAN)
    assert read.trials["seed"].tolist() == [0, 1, 0]
    assert read.trials["status"].tolist() == ["finished", "finished", "diverged"]
    assert read.trials["validation_accuracy"].tolist() == pytest.approx([0.96875, 0.96875, 0.1])
    first, second = (
        read.records[read.records["trial"] == name].drop(columns="trial").reset_index(drop=True)
        for name in read.trials["trial"][:2]
    )
    pd.testing.assert_frame_equal(first, second)
    assert [note.split(",")[0].split(" no ")[0] for note in read.notes] == [
        "Trials with the same settings and",
        "train-accu is above 1",
        "val_accu is above 1",
    ]


@pytest.mark.parametrize(
    ("folder", "settings"),
    [
        ("sgd_lr0.1_batch32", {"optimizer": "sgd", "lr": 0.1, "batch_size": 32}),
        ("optimizer=sgd,lr=0.1", {"optimizer": "sgd", "lr": 0.1}),
        (
            "Adam/lr_1e-3/bs_64/seed3",
            {"optimizer": "adam", "lr": 0.001, "batch_size": 64, "seed": 3},
        ),
        ("SGD-learning-rate-.5", {"optimizer": "sgd", "lr": 0.5}),
        ("lr=0.1_optim=tf1-adam_drop0.5", {"lr": 0.1, "optimizer": "tf1-adam", "dropout": 0.5}),
        ("mnist/deep-mnist/lr0.1", {"dataset": "mnist", "model": "deep-mnist", "lr": 0.1}),
        ("Nov27_12-00-00_host1/color3_model2", {}),
    ],
)
def test_settings_in_folder_names(folder, settings):
    assert from_folder(folder) == settings


def test_hyperparameters_of_any_spelling():
    logged = {"train/Learning-Rate": 0.1, "opt": "Adam", "batch": 32.0, "seed": "x", "depth": 2.0}
    settings = {"lr": 0.1, "optimizer": "adam", "batch_size": 32}
    assert from_hyperparameters(logged) == (settings, ["seed", "depth"])


def test_keywords_of_own_parts_and_their_paths():
    """Of the user's own parts only: another program's `optimizer.lr` is the setting `lr`."""
    own = {"model": "nets:Net", "model.Hidden": 16.0, "model.lr": 2.0, "loss.kind": "L1"}
    logged = own | {"optimizer": "Adam", "optimizer.lr": 0.1, "loss": "my/Loss.py:loss"}
    settings, others = from_hyperparameters(logged)
    assert settings == own | {"optimizer": "adam", "lr": 0.1, "loss": "my/Loss.py:loss"}
    assert isinstance(settings["model.Hidden"], int)
    assert others == []
    assert from_hyperparameters({"model": "lenet", "model.hidden": 3}) == (
        {"model": "lenet"},
        ["model.hidden"],
    )


def test_trials_that_differ_in_a_keyword_of_an_own_part(tmp_path):
    own = {"dataset": "my_study:load", "model": "my_study:Net", "optimizer": "adam", "lr": 0.1}
    widths = {"narrow": {"model.hidden": 4}, "wide": {"model.hidden": 16}, "default": {}}
    for name, keywords in widths.items():
        write_fan(tmp_path / "logs", name, batch_size=20, seed=0, **own, **keywords)
    read = read_event_files(tmp_path / "logs", FAN)
    assert read.trials["seed"].tolist() == [0, 0, 0]
    trials = read.trials.set_index("trial")
    assert trials["model.hidden"][["narrow", "wide"]].tolist() == [4, 16]
    assert set(trials["model"]) == {"my_study:Net"}
    assert read.notes == []


def test_what_cannot_be_read_is_one_line(tmp_path, capsys):
    def refusal(*arguments):
        assert main(["--from-tensorboard", str(tmp_path / "logs"), *arguments]) == 2
        return " ".join(capsys.readouterr().err.split())

    out = ["--out", str(tmp_path / "out")]
    (tmp_path / "logs").mkdir()
    assert "add --out" in refusal()
    assert "holds no event file" in refusal(*out)
    assert "unknown quantity 'train-loss'" in refusal(*out, "--tags", "train-loss=x")
    assert "type --tags train_loss=TAG" in refusal(*out, "--tags", "fan's")
    assert "two sources" in refusal("results/x", *out)
    write_fan(tmp_path / "logs", "net1")
    assert refusal(*out).endswith("train-accu, train-loss, val_accu, val_loss: type --tags fan")
    assert "the settings of net1 are unknown" in refusal(*out, "--tags", "fan")
    write_fan(tmp_path / "logs" / "net1", "sgd_lr1_seed0")
    write_fan(tmp_path / "logs" / "net2", "sgd_lr1_seed0")
    assert "net1" in refusal(*out, "--tags", "fan")
    for path in (tmp_path / "logs" / "net1").glob("*tfevents*"):
        path.unlink()
    assert "have the same settings and seed" in refusal(*out, "--tags", "fan")
    write_fan(tmp_path / "logs" / "net2", "sgd_lr1_seed0", scale=1_000)
    for path in (tmp_path / "logs" / "net1").rglob("*tfevents*"):
        path.unlink()
    assert "train-accu is no accuracy" in refusal(*out, "--tags", "fan")
    assert not (tmp_path / "out").exists()
