"""The user's own data, model, loss, optimizer, schedule and metric: contracts and mistakes."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from lenet import ConfigError, TrainConfig, datasets, training
from lenet.config import parse_metric
from lenet.precheck import check_batches
from lenet.samples import MapSamples
from study.cluster.datasets import share, shared_dataset

OWN = "tests.own_parts"
TABLE = {"dataset": f"{OWN}:table", "model": f"{OWN}:Flat", "validation_fraction": 0.2}


def make_run(**settings):
    config = TrainConfig.from_dict(TABLE | settings)
    return training.Run(config, datasets.load(config.dataset))


def check(**settings):
    """Check a run as a command does before Ray starts."""
    run = make_run(**settings)
    check_batches(run)
    run.train_step()


MISTAKES = {
    # The module or the name
    "no module": ({"dataset": "no_such_module:load"}, "No module named 'no_such_module'"),
    "no name": ({"dataset": f"{OWN}:tables"}, f"{OWN} has no tables"),
    "no function": ({"dataset": f"{OWN}:math"}, "is a module: name a function"),
    "dot for a colon": ({"loss": f"{OWN}.huber"}, f"type loss={OWN}:huber"),
    # The data
    "data raise": ({"dataset": f"{OWN}:data_raises"}, "FileNotFoundError: no file prices.csv"),
    "no test split": ({"dataset": f"{OWN}:data_without_test"}, "as training split: return"),
    "lists": ({"dataset": f"{OWN}:data_of_lists"}, "are a list of 1: return a torch tensor"),
    "labels from 1": ({"dataset": f"{OWN}:labels_from_one"}, "labels are 1 to 2: .*targets - 1"),
    "labels -1, 1": ({"dataset": f"{OWN}:negative_labels"}, "labels begin at -1"),
    "one class": ({"dataset": f"{OWN}:one_class"}, "all its training targets are class 0"),
    "empty split": ({"dataset": f"{OWN}:empty_test"}, "its test split is empty"),
    "text labels": ({"dataset": f"{OWN}:text_labels"}, r"type <U3: map classes to 0, 1, 2"),
    "NaN inputs": ({"dataset": f"{OWN}:nan_inputs"}, "inputs that are not finite"),
    "NaN targets": ({"dataset": f"{OWN}:nan_targets", "loss": "mse"}, "targets .* not finite"),
    "fewer targets": ({"dataset": f"{OWN}:fewer_targets"}, "300 inputs and 295 targets"),
    "bytes": ({"dataset": f"{OWN}:byte_pixels"}, "of type uint8: divide pixels by 255"),
    "one-hot": ({"dataset": f"{OWN}:one_hot"}, r"targets have shape \(300, 2\)"),
    "unseen label": ({"dataset": f"{OWN}:unseen_label"}, "the label 2, but with 2 classes"),
    "other features": ({"dataset": f"{OWN}:other_features"}, r"\(4,\) instead of \(6,\)"),
    "flat inputs": ({"dataset": f"{OWN}:flat_inputs"}, r"shape \(300,\): return \(samples, feat"),
    "no tensor": ({"dataset": f"{OWN}:pictures"}, r"a str of 9 as input: .*ToTensor\(\)"),
    "classes unknown": ({"dataset": f"{OWN}:nameless"}, "give it an attribute `classes`"),
    # The model
    "class with arguments": ({"model": f"{OWN}:NeedsDepth"}, "argument: 'depth'.* model.NAME"),
    "wrong output": ({"model": f"{OWN}:ReturnsProbability"}, r"shape \(128,\) instead of \(128, 2"),
    "forward raises": ({"model": f"{OWN}:FailsInForward"}, r"gets inputs of shape \(128, 6\)"),
    "no module built": ({"model": f"{OWN}:no_model"}, "is not a torch.nn.Module"),
    "unknown keyword": (
        {"model.depth": 3},
        "takes no depth: its keywords are input_shape, classes",
    ),
    "keyword of another type": (
        {"model": f"{OWN}:Deep", "model.depth": "two"},
        "model=.*Deep cannot be built with model.depth=two: its constructor raises TypeError",
    ),
    "misspelled keyword": (
        {"model": f"{OWN}:Deep", "model.depht": 2},
        r"takes no depht: its .* depth; did you mean model\.depth\?$",
    ),
    "an instance": (
        {"model": f"{OWN}:instance"},
        "instance is an instance of Linear: name its class, or a function that returns one",
    ),
    "images wanted": ({"model": "lenet"}, r"takes images, and an input has shape \(6,\)"),
    "keyword of no own": ({"model": "4ls", "model.depth": 3}, "model=4ls is not: type depth if"),
    # The loss
    "loss per sample": ({"loss": f"{OWN}:loss_per_sample"}, r"shape \(128,\) instead of a scalar"),
    "loss as number": (
        {"loss": f"{OWN}:loss_of_numbers"},
        r"float 0\.\d+ instead of a scalar tensor, for .*: return the .*without .item",
    ),
    "detached loss": ({"loss": f"{OWN}:detached_loss"}, "without gradients: .*without detach"),
    "loss of a regression": ({"loss": f"{OWN}:huber"}, "huber raises RuntimeError|gets outputs"),
    "keyword of a loss": (
        {"dataset": f"{OWN}:vectors", "loss": f"{OWN}:huber", "loss.delta": "x"},
        r"huber \(tests/own_parts.py, line \d+\) with loss.delta=x raises",
    ),
    "float classes": (
        {"dataset": f"{OWN}:float_classes"},
        r"fit dataset=.*float_classes \(tests/own.* if they are classes, .*: targets.long\(\), or",
    ),
    "table of whole numbers": (
        {"dataset": f"{OWN}:whole_numbers"},
        "whole_numbers returns whole numbers, which count as token ids: .* return them as float32",
    ),
    "loss does not fit": ({"dataset": f"{OWN}:vectors"}, "values of a regression: use loss=sum-of"),
    # The metric
    "metric per sample": (
        {"metrics": (f"hits:max={OWN}:metric_of_samples",)},
        r"returns a Tensor of shape \(128,\) instead of a number",
    ),
    "metric raises": ({"metrics": (f"x:max={OWN}:failing_metric",)}, "AttributeError.* it gets"),
    "metric never finite": (
        {"metrics": (f"q:max={OWN}:nan_metric",)},
        "metric q=.*nan_metric .* is not finite, neither .*: return a finite number, such as 0",
    ),
    "metric unnamed": ({"metrics": (f"{OWN}:failing_metric",)}, "type NAME:max=package.module"),
    "metric called loss": ({"metrics": (f"loss:min={OWN}:worst_error",)}, "cannot be called loss"),
    # The optimizer and the schedule
    "no optimizer": (
        {"optimizer": f"{OWN}:NoOptimizer"},
        "not a subclass of torch.optim.Optimizer",
    ),
    "no lr": ({"optimizer": f"{OWN}:NoRate"}, "must take the learning rate as lr"),
    "no momentum": ({"optimizer": f"{OWN}:Signs", "momentum": 0.9}, "takes no momentum: leave"),
    "step without no_grad": (
        {"optimizer": f"{OWN}:StepsWithGradients", "optimizer.k": 2},
        r"^optimizer=.*StepsWithGradients \(.*\) with optimizer.k=2: its step raises RuntimeError"
        r".*line \d+\): decorate step with @torch.no_grad\(\)$",
    ),
    "no step": ({"optimizer": f"{OWN}:NoStep"}, r"^optimizer=.*NoStep .* has no step\(\): define"),
    "misspelled keyword of an optimizer": (
        {"optimizer": f"{OWN}:Signs", "optimizer.kk": 1},
        r"takes no kk: its keywords are k, weight_decay; did you mean optimizer\.k\?$",
    ),
    "keyword of an optimizer": (
        {"optimizer": f"{OWN}:Signs", "optimizer.k": "x"},
        r"optimizer.k=x: its step raises TypeError",
    ),
    "no such keyword": ({"optimizer": f"{OWN}:Signs", "optimizer.q": 1}, "takes no q: its keyw"),
    "negative rate": ({"schedule": f"{OWN}:negative_schedule"}, r"returns -0\.0\d+ at step"),
}
IN_CONFIG = {"dot for a colon", "keyword of no own", "metric unnamed", "metric called loss"}
"""Mistakes in what the user typed, not in a file."""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_line(name):
    settings, message = MISTAKES[name]
    with pytest.raises(ConfigError, match=message) as error:
        check(**settings)
    text = str(error.value)
    assert "\n" not in text
    typed = IN_CONFIG | {"no module", "no name", "no function", "images wanted", "an instance"}
    if name not in typed | {"loss does not fit"}:
        place = re.search(r"tests/own_parts\.py, line (\d+)", text)
        assert place, text
        assert 0 < int(place[1]) <= len(Path("tests/own_parts.py").read_text().splitlines())


def test_a_metric_may_be_undefined_before_the_first_step():
    metrics = (f"precision:max={OWN}:precision_of_all",)
    run = make_run(model=f"{OWN}:Zero", metrics=metrics)
    outputs, targets = training.predict(run.model, run.validation_samples)
    assert np.isnan(run.metrics[0].measure(outputs, targets))
    check_batches(run)


def test_a_metric_out_of_its_declared_range_is_refused():
    run = make_run(metrics=(f"m:max={OWN}:large_metric",))
    check_batches(run, lambda _: (0.0, 42.0))
    with pytest.raises(ConfigError, match=r"line \d+\) returns 42, but high=1 is declared: corr"):
        check_batches(run, lambda name: {"m": (0.0, 1.0)}[name])
    with pytest.raises(ConfigError, match=r"returns 42, but low=50 is declared: .* the lowest val"):
        check_batches(run, lambda _: (50.0, None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def load(:", r"SyntaxError: .*\(own_broken\.py, line 1\)"),
        ("x = 1\nimport no_such_package", r"no_such_package' \(.*own_broken\.py, line 2\)"),
        ("\n\n1 / 0", r"ZeroDivisionError: division by zero \(.*own_broken\.py, line 3\)"),
    ],
)
def test_an_error_on_import_names_its_line(content, message, tmp_path, monkeypatch):
    (tmp_path / "own_broken.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=message):
        datasets.load("own_broken:load")


MATRIX = {
    "table": {},
    "token ids": {
        "dataset": f"{OWN}:tokens",
        "model": f"{OWN}:bag_of_tokens",
        "model.size": 4,
        "epochs": 20,
    },
    "regression of 3": {
        "dataset": f"{OWN}:vectors",
        "loss": f"{OWN}:huber",
        "loss.delta": 2,
        "metrics": (f"worst:min={OWN}:worst_error",),
    },
    "RGB of 32 x 48": {"dataset": f"{OWN}:colors", "epochs": 3},
    "lenet on RGB": {"dataset": f"{OWN}:colors", "model": "lenet", "epochs": 6, "lr": 1e-3},
    "map data set": {"dataset": f"{OWN}:halves", "epochs": 4},
    "map data set, full batches": {"dataset": f"{OWN}:halves", "epochs": 12, "batch_size": 1_000},
    "own optimizer": {"optimizer": f"{OWN}:Signs", "optimizer.k": 2, "weight_decay": 0.01},
    "own schedule": {"schedule": f"{OWN}:step_down", "schedule.factor": 0.5},
}


@pytest.mark.parametrize("name", MATRIX)
def test_it_learns_and_resumes(name):
    settings = {"batch_size": 30, "lr": 0.02, "epochs": 6} | MATRIX[name]
    check(**settings)
    run = make_run(**settings)
    records = list(training.train(run))
    assert records[-1].train_loss < 0.7 * records[0].train_loss
    first = make_run(**settings)
    begun = [first.advance(), first.advance()]
    second = make_run(**settings)
    second.load_state_dict(first.state_dict())
    resumed = begun + list(training.train(second))
    pairs = zip(resumed, records, strict=True)
    assert all(one.equal_except_timing(other) for one, other in pairs)
    if name == "regression of 3":
        metrics = records[-1].metrics
        assert set(metrics) == {"validation_worst", "test_worst"}
        outputs, targets = training.predict(run.model, run.test_samples)
        assert metrics["test_worst"] == (outputs - targets).abs().max().item()


def test_augmentation_depends_on_seed_and_epoch_only():
    """Not on the number of reading processes, nor on this process's random state."""

    def losses(seed, threads=1):
        torch.set_num_threads(threads)
        try:
            run = make_run(dataset=f"{OWN}:halves", epochs=2, batch_size=32, seed=seed)
            torch.manual_seed(threads)
            return [record.train_loss for record in training.train(run)]
        finally:
            torch.set_num_threads(1)

    state = torch.get_rng_state()
    run = make_run(dataset=f"{OWN}:halves")
    assert isinstance(run.train_samples, MapSamples)
    assert torch.equal(state, torch.get_rng_state())
    assert losses(0) == losses(0) != losses(1)
    assert losses(0) == pytest.approx(losses(0, threads=3), rel=1e-6)


@pytest.mark.parametrize("name", ["tokens", "vectors", "colors", "halves"])
def test_shared_data_are_the_same(name):
    found = datasets.load(f"{OWN}:{name}")
    again = shared_dataset(share(found))
    assert (again.name, again.classes) == (found.name, found.classes)
    for one, other in ((found.train, again.train), (found.test, again.test)):
        first, second = one[:4].load(), other[:4].load()
        assert torch.equal(first.inputs, second.inputs)
        assert torch.equal(first.targets, second.targets)


def test_numbers_and_text_of_own_keywords_give_one_id():
    text, typed = (
        TrainConfig.from_dict({"optimizer": f"{OWN}:Signs", "optimizer.k": k}) for k in ("5", 5.0)
    )
    assert text == typed
    assert text.id == typed.id != TrainConfig(optimizer=f"{OWN}:Signs").id
    assert text.get("optimizer.k") == 5
    assert TrainConfig.from_dict(text.to_dict()) == text
    assert parse_metric(f"hits:max={OWN}:f") == ("hits", True, f"{OWN}:f")


def test_arrays_of_any_numeric_type():
    """numpy's float64, int32 and bool become float32, int64 and classes."""
    found = datasets.load(f"{OWN}:tokens")
    assert found.train.load().inputs.dtype == torch.int64
    assert datasets.load(f"{OWN}:table").train.load().inputs.dtype == torch.float32
    assert datasets.load(f"{OWN}:vectors").classes == 3
    assert np.isclose(
        float(datasets.load(f"{OWN}:vectors").train.load().inputs.mean()), 0, atol=0.1
    )
